package monitoring

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// board is what is checked of a dashboard of Grafana's.
type board struct {
	Title, UID string
	Templating struct {
		List []struct{ Name string }
	}
	Panels []panel
}

type panel struct {
	ID          int
	Title, Type string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
	Targets     []struct{ RefID, Expr string }
}

func readDashboard(t *testing.T) board {
	t.Helper()
	var b board
	if err := json.NewDecoder(bytes.NewReader([]byte(read(t, dashboard)))).Decode(&b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheDashboardIsWhole(t *testing.T) {
	b := readDashboard(t)
	if b.Title == "" || b.UID == "" || len(b.Panels) < 10 {
		t.Errorf("got %q, %q, %d panels", b.Title, b.UID, len(b.Panels))
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range b.Panels {
		if ids[p.ID] || p.Title == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %d, %q: %+v", p.ID, p.Title, p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies on %q, or outside", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

func TestTheDashboardUsesVariablesThatItHas(t *testing.T) {
	b := readDashboard(t)
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			rest := strings.NewReplacer("$__rate_interval", "", "$__range", "").Replace(target.Expr)
			for _, v := range b.Templating.List {
				rest = strings.ReplaceAll(rest, `"$`+v.Name+`"`, "")
			}
			if strings.Contains(rest, "$") {
				t.Errorf("%q: an unknown variable in %s", p.Title, target.Expr)
			}
		}
	}
}
