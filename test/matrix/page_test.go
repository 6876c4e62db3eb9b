package matrix

import (
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// page is the file that shows the outcome.
var page = filepath.Join("..", "..", "docs", "test-matrix.md")

// outcome is a cell of the table.
type outcome struct{ word, detail string }

// table collects outcomes by row and platform.
type table struct {
	mu    sync.Mutex
	cells map[[2]string]outcome
}

func (o *table) set(row, platform string, cell outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cells == nil {
		o.cells = map[[2]string]outcome{}
	}
	o.cells[[2]string{row, platform}] = cell
}

// compare compares the page with what was seen, or writes it.
func (o *table) compare(t *testing.T) {
	t.Helper()
	if len(o.cells) < len(rows)*len(platforms) {
		if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
			return // some rows only
		}
		t.Fatalf("%d outcomes for %d rows of %d platforms", len(o.cells), len(rows), len(platforms))
	}
	text := introduction + o.String()
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, after := strings.Split(string(old), "\n"), strings.Split(text, "\n")
	for i := range max(len(before), len(after)) {
		if i >= len(before) || i >= len(after) || before[i] != after[i] {
			t.Fatalf("%s differs from what was seen in line %d; go test ./test/matrix -update writes it anew", page, i+1)
		}
	}
}

// String writes the table. What was seen in the certificate has a column of
// its own, since it is the same whatever the platform.
func (o *table) String() string {
	var b strings.Builder
	b.WriteString("| scenario | in the certificate |")
	for _, p := range platforms {
		fmt.Fprintf(&b, " %s |", p.name)
	}
	b.WriteString("\n|" + strings.Repeat("---|", 2+len(platforms)) + "\n")
	for _, r := range rows {
		var words, details []string
		for _, p := range platforms {
			cell := o.cells[[2]string{r.name, p.name}]
			words = append(words, cell.word)
			if d := cell.detail; d != "" && (len(details) == 0 || details[len(details)-1] != d) {
				details = append(details, d)
			}
		}
		detail := strings.Join(details, "; ")
		if r.fate == "" && !r.renew {
			detail = "`" + detail + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.name, detail, strings.Join(words, " | "))
	}
	return b.String()
}

const introduction = `# Microsoft's test matrix

Microsoft's library for third-party certificate authorities comes with a test matrix: what a SCEP server for Intune has to be tried with before it goes
into production. This page shows each of its scenarios that has to do with a certificate and what became of it, for requests shaped like those of each platform:

| platform | shape of its requests |
|---|---|
| Windows | to ` + "`…/pkiclient.exe`" + `; key usage, extended key usage, the version of Windows, the validity as name and value |
| iOS, macOS | key usage; neither extended key usage nor validity, which are those of the provisioner |
| Android | key usage, extended key usage, the validity with number and unit exchanged |
| Android Enterprise | key usage, extended key usage, the validity as Windows has it |

Every request is sent by micromdm's ` + "`scepclient`" + ` to the built ` + "`step-ca-intune`" + `, which asks a simulated Intune; real devices and Microsoft's own service have no part in it.
Each challenge is bound to the subject, names, usages and key length of the profile. Of each certificate ` + "`openssl verify`" + ` checks the chain, and ` + "`openssl x509`" + ` reads
subject, names, usages, key, signature, validity and the list of extensions: all of them have to be right in every row, and the table shows the one that the row is about.
For each request Intune must have seen one success notification and accepted it, or have accepted none where the outcome is *refused*, and no failure notification.

` + "`go test ./test/matrix`" + ` compares this page with what it sees, and with ` + "`-update`" + ` writes it. Two things are as step-ca-intune wants them and not as old profiles do: keys of 1024 bits are
refused, and certificates are signed with SHA-256 even for a device whose own request is signed with SHA-1, which Intune offers for Windows and Android only. With both hash
algorithms in its profile a device chooses one, and its request is one of those two.

`

// serial is a certificate's serial number as Intune spells it.
func serial(n *big.Int) string { return fmt.Sprintf("%X", n.Bytes()) }
