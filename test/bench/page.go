package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// The lines between which a page holds the figures of a run.
const (
	figuresBegin = "<!-- figures of the last run -->"
	figuresEnd   = "<!-- end of the figures -->"
)

// Page is a document with a place for the figures of a run.
type Page struct{ file, before, after string }

// OpenPage reads a document; one that is not there will consist of figures alone.
func OpenPage(file string) (*Page, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &Page{file: file}, nil
	}
	if err != nil {
		return nil, err
	}
	before, rest, found := strings.Cut(string(text), figuresBegin)
	_, after, ended := strings.Cut(rest, figuresEnd)
	if !found || !ended {
		return nil, fmt.Errorf("%s is there and has no lines %q and %q to put the figures between", file, figuresBegin, figuresEnd)
	}
	return &Page{file: file, before: before, after: after}, nil
}

// Write puts the figures of a report in the place of earlier ones.
func (p *Page) Write(r *Report) error {
	var text strings.Builder
	if err := r.Markdown(&text); err != nil {
		return err
	}
	after := p.after
	if after == "" {
		after = "\n"
	}
	return os.WriteFile(p.file, []byte(p.before+figuresBegin+"\n\n"+text.String()+"\n"+figuresEnd+after), 0o644)
}
