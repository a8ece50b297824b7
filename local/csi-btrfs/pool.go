package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// kind tells volumes from snapshots, on disk and in sources.
type kind string

const (
	volumeKind   kind = "vol"
	snapshotKind kind = "snap"
	recordFolder      = "meta"
)

// record is what the pool knows of a volume or a snapshot. The field names are the file format.
type record struct {
	// ID is the name that Kubernetes asked for, so a repeated request finds what the first one made.
	ID string
	// Src is "snap/ID" or "vol/ID", or empty for a volume that began empty.
	Src string
	// Size in bytes: of a volume its limit, of a snapshot that of the volume it was taken of.
	Size int64
	// Created is when the request was served.
	Created time.Time
}

// pool is a mounted btrfs with this layout:
//
//	vol/ID    a volume     meta/vol.ID.json   its record
//	snap/ID   a snapshot   meta/snap.ID.json  its record
//
// A record is written last and removed last: a subvolume without one was never handed out, and the
// next request for its name throws it away.
type pool struct {
	path string
	// mu serialises everything that changes the pool or a mount.
	mu sync.Mutex
}

// safeID accepts the names that Kubernetes makes. IDs come from outside and become paths.
var safeID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// openPool checks that path is a btrfs, turns quotas on and makes the folders.
func openPool(path string) (*pool, error) {
	p := &pool{path: filepath.Clean(path)}
	mounted, err := p.isMounted()
	if err != nil {
		return nil, err
	}
	if !mounted {
		return nil, fmt.Errorf("%s is not a btrfs", path)
	}
	if err := enableSimpleQuotas(path); err != nil {
		return nil, err
	}
	for _, folder := range []string{string(volumeKind), string(snapshotKind), recordFolder} {
		if err := os.MkdirAll(filepath.Join(path, folder), 0o711); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *pool) isMounted() (bool, error) {
	var facts unix.Statfs_t
	if err := unix.Statfs(p.path, &facts); err != nil {
		return false, fmt.Errorf("%s: %w", p.path, err)
	}
	return facts.Type == unix.BTRFS_SUPER_MAGIC, nil
}

func (p *pool) subvolume(k kind, id string) string {
	return filepath.Join(p.path, string(k), id)
}

func (p *pool) recordFile(k kind, id string) string {
	return filepath.Join(p.path, recordFolder, string(k)+"."+id+".json")
}

// find returns the record of a volume or snapshot, or nil where there is none.
func (p *pool) find(k kind, id string) (*record, error) {
	if !safeID.MatchString(id) {
		return nil, nil
	}
	text, err := os.ReadFile(p.recordFile(k, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := &record{}
	if err := json.Unmarshal(text, found); err != nil {
		return nil, fmt.Errorf("record of %s %s: %w", k, id, err)
	}
	return found, nil
}

// snapshots returns the records of all snapshots, sorted by ID.
func (p *pool) snapshots() ([]*record, error) {
	entries, err := os.ReadDir(filepath.Join(p.path, recordFolder))
	if err != nil {
		return nil, err
	}
	var all []*record
	for _, entry := range entries {
		id, isJSON := strings.CutSuffix(entry.Name(), ".json")
		id, isSnapshot := strings.CutPrefix(id, string(snapshotKind)+".")
		if !isJSON || !isSnapshot {
			continue
		}
		found, err := p.find(snapshotKind, id)
		if err != nil {
			return nil, err
		}
		if found != nil { // nil: deleted meanwhile
			all = append(all, found)
		}
	}
	return all, nil
}

// create makes a subvolume, empty or a snapshot of the subvolume source, and then its record.
func (p *pool) create(k kind, r *record, source string) error {
	path := p.subvolume(k, r.ID)
	if err := removeSubvolume(path); err != nil { // a remainder of a request that was cut short
		return err
	}
	command := []string{"subvolume", "create"}
	if source != "" {
		command = []string{"subvolume", "snapshot"}
		if k == snapshotKind {
			command = append(command, "-r")
		}
		command = append(command, source)
	}
	if err := btrfs(append(command, path)...); err != nil {
		return err
	}
	if k == volumeKind {
		if err := btrfs("qgroup", "limit", strconv.FormatInt(r.Size, 10), path); err != nil {
			return err
		}
	}
	if err := p.writeRecord(k, r); err != nil {
		return err
	}
	return p.sync()
}

func (p *pool) writeRecord(k kind, r *record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	draft := filepath.Join(p.path, recordFolder, "draft")
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, p.recordFile(k, r.ID))
}

// sync commits the file system: one transaction puts subvolume and record on disk together.
func (p *pool) sync() (err error) {
	folder, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	return unix.Syncfs(int(folder.Fd()))
}

// remove deletes a subvolume and then its record. Absence is fine.
func (p *pool) remove(k kind, id string) error {
	found, err := p.find(k, id)
	if err != nil || found == nil {
		return err
	}
	if err := removeSubvolume(p.subvolume(k, id)); err != nil {
		return err
	}
	return os.Remove(p.recordFile(k, id))
}

func removeSubvolume(path string) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return btrfs("subvolume", "delete", path)
}

func btrfs(args ...string) error {
	if output, err := exec.Command("btrfs", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("btrfs %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
