package provisioner

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// configError is a mistake in ca.json. Its text is one line that names the provisioner
// and the key.
type configError struct {
	Provisioner string // name of the entry; its number when it has none
	Key         string // path of the key below the entry; empty for the entry itself
	Err         error
}

func (e *configError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("provisioner %q: %v", e.Provisioner, e.Err)
	}
	return fmt.Sprintf("provisioner %q: %s: %v", e.Provisioner, e.Key, e.Err)
}

func (e *configError) Unwrap() error { return e.Err }

// rawEntry is one element of authority.provisioners.
type rawEntry struct {
	typ, name string
	keys      map[string]json.RawMessage
}

func (r *rawEntry) isIntune() bool { return strings.EqualFold(r.typ, "Intune") }

// get returns the value of a key. encoding/json folds the case of keys, and so does
// step-ca.
func (r *rawEntry) get(key string) (json.RawMessage, bool) {
	for k, v := range r.keys {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return nil, false
}

func (r *rawEntry) has(key string) bool {
	_, ok := r.get(key)
	return ok
}

func (r *rawEntry) err(key, format string, args ...any) error {
	return &configError{Provisioner: r.name, Key: key, Err: fmt.Errorf(format, args...)}
}

// readEntries returns all provisioner entries of a ca.json, those that step-ca skips
// included. An entry of another type with an `intune` block is refused: it is a typo that
// would leave an open SCEP provisioner behind. With mistakes it returns what can be read.
func readEntries(file string) ([]rawEntry, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var conf struct {
		Authority struct {
			Provisioners []json.RawMessage `json:"provisioners"`
		} `json:"authority"`
	}
	// As step-ca: the first JSON value of the file, whatever follows it.
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&conf); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", file, err)
	}
	var wrong mistakes
	entries := make([]rawEntry, 0, len(conf.Authority.Provisioners))
	for i, raw := range conf.Authority.Provisioners {
		e, err := readEntry(i, raw)
		wrong.note(err)
		if e.keys != nil {
			entries = append(entries, e)
		}
	}
	wrong.note(uniqueNames(entries))
	return entries, wrong.err()
}

func readEntry(i int, raw json.RawMessage) (rawEntry, error) {
	e := rawEntry{name: fmt.Sprintf("#%d", i+1)}
	if err := json.Unmarshal(raw, &e.keys); err != nil {
		return e, e.err("", "not a JSON object")
	}
	var head struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return e, e.err("", "type and name must be strings")
	}
	e.typ = head.Type
	if head.Name != "" {
		e.name = head.Name
	}
	if !e.isIntune() {
		if e.has("intune") {
			return e, e.err("type", "is %q but the entry has an intune block; write \"type\": \"Intune\"", e.typ)
		}
		return e, nil
	}
	var wrong mistakes
	if head.Name == "" {
		wrong.note(e.err("name", "is missing"))
	}
	if key, ok := doubled(json.NewDecoder(bytes.NewReader(raw)), ""); ok {
		wrong.note(e.err(key, "the key is there twice"))
	}
	return e, wrong.err()
}

// doubled returns the path of a key that stands twice in the same object, at any depth. Of
// two the last one counts for encoding/json, also when they differ in case, and nobody can
// tell which one was meant.
func doubled(d *json.Decoder, path string) (string, bool) {
	t, err := d.Token()
	if err != nil {
		return "", false // who decodes it says so
	}
	seen := map[string]bool{}
	for object := t == json.Delim('{'); (object || t == json.Delim('[')) && d.More(); {
		below := path
		if object {
			t, err := d.Token()
			if err != nil {
				return "", false
			}
			key, _ := t.(string)
			below = strings.TrimPrefix(path+"."+key, ".")
			if seen[strings.ToLower(key)] {
				return below, true
			}
			seen[strings.ToLower(key)] = true
		}
		if found, ok := doubled(d, below); ok {
			return found, true
		}
	}
	if _, open := t.(json.Delim); open {
		_, _ = d.Token() // the end of the object or array
	}
	return "", false
}

// uniqueNames refuses a name that two entries share when one of them is ours: step-ca
// finds provisioners by name.
func uniqueNames(entries []rawEntry) error {
	var wrong mistakes
	seen := map[string]bool{} // name → is it an Intune entry
	for _, e := range entries {
		intune, twice := seen[e.name]
		if twice && (intune || e.isIntune()) {
			wrong.note(e.err("name", "another provisioner has the same name"))
		}
		seen[e.name] = intune || e.isIntune()
	}
	return wrong.err()
}

// decodeStrict decodes JSON and refuses unknown keys. It returns the path of the key that
// is wrong, as far as it is known.
func decodeStrict(raw json.RawMessage, v any) (key string, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err = dec.Decode(v)
	if err == nil {
		return "", nil
	}
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return typ.Field, fmt.Errorf("%s where %s belongs", jsonValue(typ.Value), jsonType(typ))
	}
	// encoding/json has no error type for an unknown key.
	if k, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		k = strings.Trim(k, `"`)
		return cmp.Or(pathOf(raw, k), k), errors.New("unknown key")
	}
	return "", err
}

// decodeAll is decodeStrict for all keys: it goes on without the one that is wrong.
func decodeAll(raw json.RawMessage, v any) error {
	var wrong mistakes
	for {
		key, err := decodeStrict(raw, v)
		if err == nil {
			return wrong.err()
		}
		wrong.note(&keyErr{key: key, err: err})
		var ok bool
		if raw, ok = without(raw, strings.Split(key, ".")); !ok {
			return wrong
		}
	}
}

// without takes the key at a path out of a JSON object. It reports whether it was there.
func without(raw json.RawMessage, path []string) (json.RawMessage, bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil, false
	}
	value, ok := object[path[0]]
	if len(path) == 1 {
		delete(object, path[0])
	} else if ok {
		object[path[0]], ok = without(value, path[1:])
	}
	if !ok {
		return nil, false
	}
	raw, err := json.Marshal(object)
	return raw, err == nil
}

// pathOf returns the path of a key in a JSON object, empty when it is not there.
func pathOf(raw json.RawMessage, key string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return ""
	}
	if _, ok := object[key]; ok {
		return key
	}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		if below := pathOf(object[k], key); below != "" {
			return k + "." + below
		}
	}
	return ""
}

// jsonValue names what stands in the file. A number is given with its digits, which may be
// anything.
func jsonValue(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	switch kind {
	case "array", "object":
		return "an " + kind
	case "bool":
		return "true or false"
	default:
		return "a " + kind
	}
}

func jsonType(e *json.UnmarshalTypeError) string {
	switch kind := e.Type.Kind().String(); kind {
	case "slice", "array":
		return "an array"
	case "struct", "map", "ptr":
		return "an object"
	case "bool":
		return "true or false"
	case "string":
		return "a string"
	default:
		return "a number"
	}
}
