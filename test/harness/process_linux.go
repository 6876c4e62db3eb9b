package harness

import "syscall"

// childAttributes make the kernel kill the process when its parent dies, so
// that an aborted test leaves nothing running.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
