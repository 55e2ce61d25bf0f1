package main

import (
	"cmp"
	"context"
	_ "embed"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

//go:generate buf generate
//go:generate cp ../../protos/service_config.json gen/

// Calls that end UNAVAILABLE are made again, and no others.
//
//go:embed gen/service_config.json
var serviceConfig string

// connect reads POSTROOM_TARGET, POSTROOM_CA_FILE (speak TLS, and trust these
// authorities) and POSTROOM_TOKEN (who is calling; needs TLS).
// The connection is made with the first call, and serves any number of goroutines.
func connect() (*grpc.ClientConn, error) {
	security := insecure.NewCredentials()
	if file := os.Getenv("POSTROOM_CA_FILE"); file != "" {
		var err error
		if security, err = credentials.NewClientTLSFromFile(file, ""); err != nil {
			return nil, err
		}
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// A dead link is noticed after 40 s, even while nothing is sent.
		// The service allows a ping each 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}),
	}
	if token := os.Getenv("POSTROOM_TOKEN"); token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	target := cmp.Or(os.Getenv("POSTROOM_TARGET"), "localhost:50051")
	return grpc.NewClient(target, options...)
}

// bearer goes with each call, and never in plain text.
type bearer string

func (token bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(token)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }
