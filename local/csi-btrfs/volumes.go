package main

import (
	"context"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// defaultSize is what a volume gets whose request names none.
const defaultSize = int64(1) << 30

type controllerServer struct {
	csi.UnimplementedControllerServer
	pool *pool
}

func (s *controllerServer) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, capability := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
	} {
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: capability}},
		})
	}
	return response, nil
}

func (s *controllerServer) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	wanted, err := wantedVolume(request)
	if err != nil {
		return nil, err
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	made, err := s.pool.find(volumeKind, wanted.ID)
	if err != nil {
		return nil, internal(err)
	}
	if made == nil {
		made = wanted
		if err := s.createVolume(made, request.GetVolumeContentSource()); err != nil {
			return nil, err
		}
	} else if !isSame(made, wanted, request.GetCapacityRange()) {
		return nil, exists("volume %s exists with another size or source", made.ID)
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId:      made.ID,
		CapacityBytes: made.Size,
		ContentSource: request.GetVolumeContentSource(),
	}}, nil
}

// wantedVolume checks a request and turns it into the record the volume would have.
func wantedVolume(request *csi.CreateVolumeRequest) (*record, error) {
	if !safeID.MatchString(request.GetName()) {
		return nil, invalid("name %q", request.GetName())
	}
	if err := checkCapabilities(request.GetVolumeCapabilities()...); err != nil {
		return nil, err
	}
	size := request.GetCapacityRange().GetRequiredBytes()
	if size == 0 {
		size = defaultSize
	}
	if limit := request.GetCapacityRange().GetLimitBytes(); limit > 0 && size > limit {
		return nil, outOfRange("limit of %d bytes is below the size of %d", limit, size)
	}
	wanted := &record{ID: request.GetName(), Size: size, Created: time.Now()}
	if k, id := sourceOf(request.GetVolumeContentSource()); k != "" {
		wanted.Src = string(k) + "/" + id
	}
	return wanted, nil
}

// sourceOf returns what a volume's content comes from; the kind is empty where it begins empty.
func sourceOf(source *csi.VolumeContentSource) (kind, string) {
	switch {
	case source.GetSnapshot() != nil:
		return snapshotKind, source.GetSnapshot().GetSnapshotId()
	case source.GetVolume() != nil:
		return volumeKind, source.GetVolume().GetVolumeId()
	default:
		return "", ""
	}
}

// isSame says whether an existing volume satisfies a repeated request.
func isSame(made, wanted *record, capacity *csi.CapacityRange) bool {
	limit := capacity.GetLimitBytes()
	return made.Src == wanted.Src && made.Size >= capacity.GetRequiredBytes() && (limit == 0 || made.Size <= limit)
}

func (s *controllerServer) createVolume(wanted *record, content *csi.VolumeContentSource) error {
	path := ""
	if k, id := sourceOf(content); k != "" {
		source, err := s.pool.find(k, id)
		if err != nil {
			return internal(err)
		}
		if source == nil {
			return notFound("source %s does not exist", wanted.Src)
		}
		if wanted.Size < source.Size {
			return outOfRange("size of %d bytes is below that of the source, %d", wanted.Size, source.Size)
		}
		path = s.pool.subvolume(k, source.ID)
	}
	if err := s.pool.create(volumeKind, wanted, path); err != nil {
		return internal(err)
	}
	return nil
}

// DeleteVolume refuses while the volume is mounted: its files would vanish under a running pod.
func (s *controllerServer) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	id := request.GetVolumeId()
	if id == "" {
		return nil, invalid("no volume id")
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	places, err := s.pool.mountsOf(id)
	if err != nil {
		return nil, internal(err)
	}
	if len(places) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is mounted at %v", id, places)
	}
	if err := s.pool.remove(volumeKind, id); err != nil {
		return nil, internal(err)
	}
	return &csi.DeleteVolumeResponse{}, nil
}

func (s *controllerServer) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if request.GetVolumeId() == "" || len(request.GetVolumeCapabilities()) == 0 {
		return nil, invalid("no volume id or no capabilities")
	}
	if err := s.pool.require(request.GetVolumeId()); err != nil {
		return nil, err
	}
	if err := checkCapabilities(request.GetVolumeCapabilities()...); err != nil {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: err.Error()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeCapabilities: request.GetVolumeCapabilities(),
	}}, nil
}

// require fails as the specification asks where there is no such volume.
func (p *pool) require(id string) error {
	found, err := p.find(volumeKind, id)
	if err != nil {
		return internal(err)
	}
	if found == nil {
		return notFound("volume %s does not exist", id)
	}
	return nil
}

// checkCapabilities accepts file systems for one node, which is all there is. ReadWriteOncePod
// arrives as SINGLE_NODE_WRITER, because the driver does not offer SINGLE_NODE_MULTI_WRITER.
func checkCapabilities(capabilities ...*csi.VolumeCapability) error {
	if len(capabilities) == 0 || capabilities[0] == nil {
		return invalid("no volume capability")
	}
	for _, capability := range capabilities {
		if capability.GetBlock() != nil {
			return invalid("block volumes are not supported")
		}
		switch mode := capability.GetAccessMode().GetMode(); mode {
		case csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER,
			csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY:
		default:
			return invalid("access mode %v is not supported", mode)
		}
	}
	return nil
}
