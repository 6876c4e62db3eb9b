//go:build !linux

package dbserver

import "syscall"

func ordinaryUser(string, []string) (*syscall.SysProcAttr, error) { return nil, nil }
