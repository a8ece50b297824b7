package main

import (
	"context"
	"fmt"
	"log"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/types/known/wrapperspb"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const (
	driverName    = "btrfs.local"
	driverVersion = "1.0.0"
)

type identityServer struct {
	csi.UnimplementedIdentityServer
	pool *pool
}

func (s *identityServer) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: driverVersion}, nil
}

func (s *identityServer) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	controller := &csi.PluginCapability{Type: &csi.PluginCapability_Service_{
		Service: &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE},
	}}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{controller}}, nil
}

// Probe says whether the pool is still there: it may have been unmounted under the driver.
func (s *identityServer) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	mounted, err := s.pool.isMounted()
	if err != nil {
		return nil, internal(err)
	}
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(mounted)}, nil
}

// registrationServer does what the node-driver-registrar side-car would: it tells the kubelet where
// the driver listens.
type registrationServer struct {
	registration.UnimplementedRegistrationServer
	endpoint string
	failed   chan<- error
}

func (s *registrationServer) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              driverName,
		Endpoint:          s.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus ends the driver when the kubelet refused it: whoever supervises the
// driver starts it anew, and the kubelet looks again.
func (s *registrationServer) NotifyRegistrationStatus(_ context.Context, result *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if result.PluginRegistered {
		log.Print("registered with the kubelet")
	} else {
		s.failed <- fmt.Errorf("the kubelet refused the registration: %s", result.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}
