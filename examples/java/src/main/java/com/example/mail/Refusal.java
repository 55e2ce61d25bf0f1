package com.example.mail;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.StatusException;
import io.grpc.protobuf.StatusProto;

/** What an error means for the mail. */
final class Refusal {
  private Refusal() {}

  /** Tells it. An ErrorInfo of the domain "postroom" makes certain: nothing was sent. */
  static void explain(StatusException error, String requestId)
      throws InvalidProtocolBufferException {
    String reason = "";
    System.err.println(error.getMessage());
    if (error.getCause() != null) {
      System.err.println("  " + error.getCause().getMessage());
    }
    for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        var info = detail.unpack(ErrorInfo.class);
        reason = info.getDomain().equals("postroom") ? info.getReason() : reason;
      } else if (detail.is(BadRequest.class)) {
        for (var problem : detail.unpack(BadRequest.class).getFieldViolationsList()) {
          System.err.println("  " + problem.getField() + ": " + problem.getDescription());
        }
      }
    }
    System.err.println(
        reason.isEmpty()
            ? "the mail may have been sent; to be sure, repeat with --request-id " + requestId
            : reason + ": nothing was sent");
  }
}
