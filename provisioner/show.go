package provisioner

import (
	"context"
	"maps"
	"slices"

	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

var _ status.CA = (*instance)(nil)

// Ready implements [status.CA]. That the provisioners stand was seen at the start; without
// that there is no listener.
func (i *instance) Ready(ctx context.Context) error {
	if i.state == nil {
		return nil
	}
	if i.state.work.ends() {
		return errStopping
	}
	return i.state.store.Ping(ctx)
}

// Provisioners implements [status.CA].
func (i *instance) Provisioners() []status.Provisioner {
	all := make([]status.Provisioner, 0, len(i.entries))
	for _, name := range slices.Sorted(maps.Keys(i.entries)) {
		all = append(all, status.Provisioner{Name: name, Tenant: i.entries[name].tenant})
	}
	return all
}
