package main

import (
	"fmt"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// explain tells what an error means for the mail. One with an ErrorInfo of the
// domain "postroom" is certain: nothing was sent.
func explain(err error, requestID string) {
	fmt.Fprintln(os.Stderr, err)
	if _, ofACall := status.FromError(err); !ofACall {
		return
	}
	reason := ""
	var problems []*errdetails.BadRequest_FieldViolation
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.Domain == "postroom" {
				reason = detail.Reason
			}
		case *errdetails.BadRequest:
			problems = detail.FieldViolations
		}
	}
	for _, problem := range problems {
		fmt.Fprintf(os.Stderr, "  %s: %s\n", problem.Field, problem.Description)
	}
	if reason != "" {
		fmt.Fprintf(os.Stderr, "%s: nothing was sent\n", reason)
	} else {
		fmt.Fprintf(os.Stderr, "the mail may have been sent; to be sure, repeat with -request-id %s\n", requestID)
	}
}
