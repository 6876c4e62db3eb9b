package harness

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Sample is one line of Prometheus' text format.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Samples are all lines of a scrape.
type Samples []Sample

// Scrape reads /metrics of a status listener.
func Scrape(ctx context.Context, address string) (Samples, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("scraping: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scraping: HTTP %s", res.Status)
	}
	return parseSamples(res.Body)
}

var (
	sampleLine = regexp.MustCompile(`^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

func parseSamples(r io.Reader) (all Samples, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		parts := sampleLine.FindStringSubmatch(lines.Text())
		if parts == nil {
			return nil, fmt.Errorf("scraping: not a metric: %q", lines.Text())
		}
		s := Sample{Name: parts[1], Labels: map[string]string{}}
		if s.Value, err = strconv.ParseFloat(parts[3], 64); err != nil {
			return nil, fmt.Errorf("scraping: %w", err)
		}
		for _, pair := range labelPair.FindAllStringSubmatch(parts[2], -1) {
			s.Labels[pair[1]] = pair[2]
		}
		all = append(all, s)
	}
	return all, lines.Err()
}

// Sum adds up the samples of a name that have all of the labels, given as name=value.
func (all Samples) Sum(name string, labels ...string) (sum float64) {
	for _, s := range all {
		if s.Name == name && s.has(labels) {
			sum += s.Value
		}
	}
	return sum
}

func (s *Sample) has(labels []string) bool {
	for _, l := range labels {
		name, value, _ := strings.Cut(l, "=")
		if s.Labels[name] != value {
			return false
		}
	}
	return true
}
