package main

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The CSI specification tells callers by the code what to do next.

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

func notFound(format string, args ...any) error {
	return status.Errorf(codes.NotFound, format, args...)
}

func exists(format string, args ...any) error {
	return status.Errorf(codes.AlreadyExists, format, args...)
}

func outOfRange(format string, args ...any) error {
	return status.Errorf(codes.OutOfRange, format, args...)
}

// internal marks a failure of the machine, not of the request.
func internal(err error) error {
	return status.Error(codes.Internal, err.Error())
}
