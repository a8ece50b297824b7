package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (s *controllerServer) CreateSnapshot(_ context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	name, source := request.GetName(), request.GetSourceVolumeId()
	if !safeID.MatchString(name) || source == "" {
		return nil, invalid("name %q, source volume %q", name, source)
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	wanted := &record{ID: name, Src: string(volumeKind) + "/" + source, Created: time.Now()}
	made, err := s.pool.find(snapshotKind, name)
	if err != nil {
		return nil, internal(err)
	}
	if made != nil {
		if made.Src != wanted.Src {
			return nil, exists("snapshot %s exists with another source", name)
		}
		return &csi.CreateSnapshotResponse{Snapshot: describe(made)}, nil
	}
	volume, err := s.pool.find(volumeKind, source)
	if err != nil {
		return nil, internal(err)
	}
	if volume == nil {
		return nil, notFound("volume %s does not exist", source)
	}
	wanted.Size = volume.Size
	if err := s.pool.create(snapshotKind, wanted, s.pool.subvolume(volumeKind, volume.ID)); err != nil {
		return nil, internal(err)
	}
	return &csi.CreateSnapshotResponse{Snapshot: describe(wanted)}, nil
}

func describe(r *record) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId:     r.ID,
		SourceVolumeId: strings.TrimPrefix(r.Src, string(volumeKind)+"/"),
		SizeBytes:      r.Size,
		CreationTime:   timestamppb.New(r.Created),
		ReadyToUse:     true,
	}
}

func (s *controllerServer) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	if request.GetSnapshotId() == "" {
		return nil, invalid("no snapshot id")
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if err := s.pool.remove(snapshotKind, request.GetSnapshotId()); err != nil {
		return nil, internal(err)
	}
	return &csi.DeleteSnapshotResponse{}, nil
}

// ListSnapshots pages by position; a token is the number of snapshots already told.
func (s *controllerServer) ListSnapshots(_ context.Context, request *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	all, err := s.pool.snapshots()
	if err != nil {
		return nil, internal(err)
	}
	var matching []*csi.Snapshot
	for _, r := range all {
		snapshot := describe(r)
		if id := request.GetSnapshotId(); id != "" && id != snapshot.SnapshotId {
			continue
		}
		if id := request.GetSourceVolumeId(); id != "" && id != snapshot.SourceVolumeId {
			continue
		}
		matching = append(matching, snapshot)
	}
	from := 0
	if token := request.GetStartingToken(); token != "" {
		from, err = strconv.Atoi(token)
		if err != nil || from < 0 || from > len(matching) {
			return nil, status.Errorf(codes.Aborted, "unknown starting token %q", token)
		}
	}
	to := len(matching)
	if most := int(request.GetMaxEntries()); most > 0 && from+most < to {
		to = from + most
	}
	response := &csi.ListSnapshotsResponse{}
	for _, snapshot := range matching[from:to] {
		response.Entries = append(response.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: snapshot})
	}
	if to < len(matching) {
		response.NextToken = strconv.Itoa(to)
	}
	return response, nil
}
