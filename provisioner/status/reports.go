package status

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

// reportsTimeout bounds how long the database may take for reports.
const reportsTimeout = 20 * time.Second

// Reports are the notifications that Intune has still to get; [report.Store] has them.
type Reports interface {
	Reports(ctx context.Context) ([]report.Summary, error)
	Report(ctx context.Context, id string) (*report.Detail, error)
	Retry(ctx context.Context, id string) error
	Drop(ctx context.Context, id string) error
}

// List is the body of /reports, the oldest first.
type List struct {
	Reports []report.Summary `json:"reports"`
}

// done is the body of an answer to a POST.
type done struct {
	ID string `json:"id"`
}

// withReports answers with what f returns for the reports of the CA and the id in the path.
func (b *Board) withReports(f func(ctx context.Context, all Reports, id string) (any, error)) http.HandlerFunc {
	return local(func(w http.ResponseWriter, r *http.Request) {
		var all Reports
		if ca := b.shown(); ca != nil {
			all = ca.Reports()
		}
		if all == nil {
			refuse(w, http.StatusNotFound, "this CA has no reports: there is no Intune provisioner")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), reportsTimeout)
		defer cancel()
		body, err := f(ctx, all, r.PathValue("id"))
		switch {
		case err == nil:
			answer(w, http.StatusOK, body)
		case errors.Is(err, report.ErrNotFound):
			refuse(w, http.StatusNotFound, err.Error())
		case errors.Is(err, report.ErrSending):
			refuse(w, http.StatusConflict, err.Error())
		default:
			refuse(w, http.StatusServiceUnavailable, err.Error())
		}
	})
}

func listReports(ctx context.Context, all Reports, _ string) (any, error) {
	reports, err := all.Reports(ctx)
	return List{Reports: reports}, err
}

func showReport(ctx context.Context, all Reports, id string) (any, error) {
	return all.Report(ctx, id)
}

func retryReport(ctx context.Context, all Reports, id string) (any, error) {
	return done{ID: id}, all.Retry(ctx, id)
}

func dropReport(ctx context.Context, all Reports, id string) (any, error) {
	return done{ID: id}, all.Drop(ctx, id)
}
