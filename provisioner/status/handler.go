package status

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
)

// handler returns the routes of the listener.
func (b *Board) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", b.serveReadiness)
	mux.Handle("GET /metrics", b.metrics.handler())
	mux.HandleFunc("GET /status", local(b.servePage))
	mux.HandleFunc("GET /reports", b.withReports(listReports))
	mux.HandleFunc("GET /reports/{id}", b.withReports(showReport))
	mux.HandleFunc("POST /reports/{id}/retry", b.withReports(retryReport))
	mux.HandleFunc("POST /reports/{id}/drop", b.withReports(dropReport))
	return http.NewCrossOriginProtection().Handler(plain(mux))
}

// plain keeps answers out of caches, and browsers from guessing what they are.
func plain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// local answers this machine alone. A name in the Host header may be one that a page has
// bound to 127.0.0.1; a POST without the media type may come from a form of any page.
func local(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
		case !isLoopbackPeer(r.RemoteAddr):
			refuse(w, http.StatusForbidden, "only this machine may ask for this, over its loopback interface")
		case !isLoopbackHost(r.Host):
			refuse(w, http.StatusForbidden, fmt.Sprintf("the Host %q is not the loopback interface: ask for 127.0.0.1 or localhost", r.Host))
		case r.Method == http.MethodPost && media != "application/json":
			refuse(w, http.StatusUnsupportedMediaType, "a POST needs Content-Type: application/json")
		default:
			next(w, r)
		}
	}
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, refusal{Error: text})
}

// refusal is the body of an error.
type refusal struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body) // who asked has gone
}
