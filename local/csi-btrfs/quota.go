package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/btrfs.h.
const (
	btrfsIoctlQuotaControl  = 0xC0109428
	quotaEnableSimpleQuotas = 4
)

// enableSimpleQuotas turns on the simple quotas of Linux 6.7 and later: an extent counts for the
// subvolume that wrote it, so a clone starts at zero and no back references are walked. Doing it
// again changes nothing. btrfs-progs of Debian 12 cannot, hence the ioctl.
func enableSimpleQuotas(path string) (err error) {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	argument := struct{ command, status uint64 }{command: quotaEnableSimpleQuotas}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, folder.Fd(), btrfsIoctlQuotaControl, uintptr(unsafe.Pointer(&argument)))
	if errno != 0 {
		return fmt.Errorf("simple quotas on %s: %w", path, errno)
	}
	return nil
}
