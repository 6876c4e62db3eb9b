package status

import "net/http"

// HandlerOf serves a board without a listener.
func HandlerOf(b *Board) http.Handler { return b.listener.handler }
