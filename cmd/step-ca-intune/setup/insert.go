package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// insert returns ca.json with one more provisioner and everything else as it stands there,
// spaces included: the file is the operator's.
func insert(config []byte, e *entry) ([]byte, error) {
	l := layout{unit: indentation(config)}
	at, err := l.find(config)
	if err != nil {
		return nil, err
	}
	if slices.Contains(at.names, e.Name) {
		return nil, flagged("provisioner", fmt.Errorf("there is one with the name %q already", e.Name))
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	if l.unit != "" {
		var b bytes.Buffer
		if err := json.Indent(&b, text, strings.Repeat(l.unit, entryDepth), l.unit); err != nil {
			return nil, err
		}
		text = b.Bytes()
	}
	changed := slices.Concat(config[:at.from], []byte(at.before), text, []byte(at.after), config[at.to:])
	return changed, onlyAdds(config, changed)
}

// entryDepth is how deep a provisioner lies in ca.json: object, authority, provisioners.
const entryDepth = 3

// layout is how a ca.json is indented; a unit that is empty means all in one line.
type layout struct{ unit string }

func indentation(config []byte) string {
	for line := range strings.Lines(string(config)) {
		if rest := strings.TrimLeft(line, " \t"); len(rest) < len(line) && strings.TrimSpace(rest) != "" {
			return line[:len(line)-len(rest)]
		}
	}
	return ""
}

func (l layout) newline(depth int) string {
	if l.unit == "" {
		return ""
	}
	return "\n" + strings.Repeat(l.unit, depth)
}

// place is where a provisioner goes: what of the file it replaces, and what comes around it.
type place struct {
	from, to      int64
	before, after string
	names         []string // of the provisioners that are there
}

var errNoAuthority = errors.New("has no object authority: it is not the configuration of a CA")

// find looks for the end of authority.provisioners. Keys are compared as step-ca does it,
// without regard to case.
func (l layout) find(config []byte) (*place, error) {
	d := json.NewDecoder(bytes.NewReader(config))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(key.(string), "authority") {
			return l.findProvisioners(d)
		}
		if err := d.Decode(new(json.RawMessage)); err != nil {
			return nil, err
		}
	}
	return nil, errNoAuthority
}

func (l layout) findProvisioners(d *json.Decoder) (*place, error) {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNoAuthority
	}
	begin, comma := d.InputOffset(), ""
	for d.More() {
		comma = ","
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(key.(string), "provisioners") {
			return l.findEnd(d)
		}
		if err := d.Decode(new(json.RawMessage)); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if comma == "" {
		comma = l.newline(entryDepth - 2) // of the brace that closes authority
	}
	return &place{
		from: begin, to: begin,
		before: l.newline(entryDepth-1) + `"provisioners": [` + l.newline(entryDepth),
		after:  l.newline(entryDepth-1) + "]" + comma,
	}, nil
}

func (l layout) findEnd(d *json.Decoder) (*place, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	end := d.InputOffset()
	p := &place{
		from: end - 1, to: end,
		before: "[" + l.newline(entryDepth), after: l.newline(entryDepth-1) + "]",
	}
	switch t {
	case nil:
		p.from = end - int64(len("null"))
		return p, nil
	case json.Delim('['):
	default:
		return nil, errors.New("authority.provisioners is not a list")
	}
	for d.More() {
		var head struct {
			Name string `json:"name"`
		}
		if err := d.Decode(&head); err != nil {
			return nil, fmt.Errorf("authority.provisioners: %w", err)
		}
		p.names = append(p.names, head.Name)
		p.from, p.to = d.InputOffset(), d.InputOffset()
		p.before, p.after = ","+l.newline(entryDepth), ""
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if len(p.names) == 0 {
		p.to = d.InputOffset()
	}
	return p, nil
}

// onlyAdds makes sure that a configuration is the same as before but for one provisioner at
// the end of the list.
func onlyAdds(before, after []byte) error {
	a, listBefore, err := withoutProvisioners(before)
	if err != nil {
		return err
	}
	b, list, err := withoutProvisioners(after)
	if err != nil {
		return err
	}
	if n := len(list) - 1; n != len(listBefore) || !slices.EqualFunc(list[:n], listBefore, equal) || !equal(a, b) {
		return errors.New("is laid out in a way that cannot be changed safely: add the provisioner by hand")
	}
	return nil
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

func withoutProvisioners(config []byte) (rest map[string]any, provisioners []any, err error) {
	d := json.NewDecoder(bytes.NewReader(config))
	d.UseNumber()
	if err := d.Decode(&rest); err != nil {
		return nil, nil, err
	}
	key, ok := onlyKey(rest, "authority")
	authority, isObject := rest[key].(map[string]any)
	if !ok || !isObject {
		return nil, nil, errNoAuthority
	}
	if key, ok = onlyKey(authority, "provisioners"); !ok {
		return nil, nil, errors.New("has authority.provisioners twice")
	}
	provisioners, _ = authority[key].([]any)
	delete(authority, key)
	return rest, provisioners, nil
}

// onlyKey finds a key without regard to case; it is not ok to have it more than once.
func onlyKey(object map[string]any, name string) (found string, ok bool) {
	ok = true
	for key := range object {
		if strings.EqualFold(key, name) {
			ok = found == ""
			found = key
		}
	}
	return found, ok
}
