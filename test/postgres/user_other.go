//go:build !linux

package postgres

import "syscall"

func ordinaryUser(string) (*syscall.SysProcAttr, error) { return nil, nil }
