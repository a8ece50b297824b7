package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mountsOf returns where a volume is bind-mounted, from the kernel's own table.
func (p *pool) mountsOf(id string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var lines [][]string // each: id, parent, major:minor, root, mount point, ...
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			lines = append(lines, fields)
		}
	}
	own := slices.IndexFunc(lines, func(fields []string) bool { return fields[4] == p.path })
	if own < 0 {
		return nil, fmt.Errorf("%s is not a mount point", p.path)
	}
	device, root := lines[own][2], filepath.Join(lines[own][3], string(volumeKind), id)
	var places []string
	for _, fields := range lines {
		if fields[2] == device && fields[3] == root && !slices.Contains(places, fields[4]) {
			places = append(places, fields[4])
		}
	}
	return places, nil
}

// bind mounts a volume at target, once, however often it is asked to.
func (p *pool) bind(id, target string, readOnly bool) error {
	places, err := p.mountsOf(id)
	if err != nil || slices.Contains(places, target) {
		return err
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	if err := unix.Mount(p.subvolume(volumeKind, id), target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind mount at %s: %w", target, err)
	}
	if !readOnly {
		return nil
	}
	// The kernel makes a bind mount read-only only in a second step.
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return errors.Join(fmt.Errorf("read-only remount at %s: %w", target, err), unix.Unmount(target, 0))
	}
	return nil
}

// unbind unmounts target, as often as something was mounted over it, and removes the folder.
func unbind(target string) error {
	err := unix.Unmount(target, 0)
	for err == nil {
		err = unix.Unmount(target, 0)
	}
	// EINVAL: not, or no longer, a mount point.
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
