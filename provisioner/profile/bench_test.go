package profile

import "testing"

func BenchmarkRead(b *testing.B) {
	p, err := (&Settings{}).Profile()
	if err != nil {
		b.Fatal(err)
	}
	der := askedFor(b).der(b)
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Read(der)
		if err != nil {
			b.Fatal(err)
		}
		r.TemplateData()
	}
}

func BenchmarkCheck(b *testing.B) {
	r, template := defaultCertificate(b, Settings{}, askedFor(b))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Check(template); err != nil {
			b.Fatal(err)
		}
	}
}
