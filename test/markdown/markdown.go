// Package markdown finds the blocks of code in this repository's documents, so that tests
// can try what the documents show.
//
// A block may have a marker, a comment in the line before it, that says why no test tries
// it:
//
//	<!-- needs a real tenant -->
//	<!-- not run by a test: REASON -->
package markdown

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Block is a fenced block of code.
type Block struct {
	File     string // below the root, with slashes
	Line     int    // of the opening fence
	Language string
	Marker   string // text of the comment before it, empty for none
	Text     string // without the indentation of the fence
}

// String tells where the block is.
func (b Block) String() string { return fmt.Sprintf("%s:%d", b.File, b.Line) }

var (
	fence   = regexp.MustCompile("^([ \t]*)```(.*)$")
	comment = regexp.MustCompile(`^\s*<!-- (.*) -->\s*$`)
	// excused are the markers of blocks that no test tries.
	excused = regexp.MustCompile(`^(needs a real tenant|not run by a test: \S.*)$`)
)

// Excused reports whether the block says why no test tries it.
func (b Block) Excused() bool { return excused.MatchString(b.Marker) }

// Commands returns the commands of a script, without comments.
func (b Block) Commands() []string {
	var commands []string
	for line := range strings.Lines(strings.ReplaceAll(b.Text, "\\\n", " ")) {
		if line, _, _ = strings.Cut(line, " #"); strings.HasPrefix(line, "#") {
			continue
		}
		if line = strings.TrimSpace(line); line != "" {
			commands = append(commands, line)
		}
	}
	return commands
}

// Blocks returns the blocks of a document.
func Blocks(file, text string) ([]Block, error) {
	var found []Block
	var open *Block
	indent, before := "", ""
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m != nil:
			open = &Block{File: file, Line: i + 1, Language: strings.TrimSpace(m[2])}
			if c := comment.FindStringSubmatch(before); c != nil {
				open.Marker = c[1]
			}
			indent = m[1]
		case open != nil && m != nil && strings.TrimSpace(m[2]) == "":
			found = append(found, *open)
			open = nil
		case open != nil:
			open.Text += strings.TrimPrefix(line, indent) + "\n"
		}
		before = line
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block has no end", open)
	}
	return found, nil
}

// All returns the blocks of all documents below a folder, in order. Folders of git and of
// builds are left out.
func All(root string) ([]Block, error) {
	var all []Block
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "bin", "dist"}, entry.Name()):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		blocks, err := Blocks(filepath.ToSlash(file), string(text))
		all = append(all, blocks...)
		return err
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("there is no block of code below %s", root)
	}
	return all, err
}
