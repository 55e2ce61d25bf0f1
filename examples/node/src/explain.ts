import { status, type ServiceError } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo } from "nice-grpc-error-details";
import { Status } from "nice-grpc-error-details/lib/proto/google/rpc/status.js";

/**
 * Tells what an error means for the mail. One with an ErrorInfo of the domain
 * "postroom" is certain: nothing was sent.
 */
export function explain(error: ServiceError | Error, requestId: string): void {
  if (!("metadata" in error)) {
    console.error(error.message);
    return;
  }
  let reason = "";
  const problems: BadRequest["fieldViolations"] = [];
  const [details] = error.metadata.get("grpc-status-details-bin");
  for (const { typeUrl, value } of details ? Status.decode(details as Buffer).details : []) {
    if (typeUrl.endsWith("/google.rpc.ErrorInfo")) {
      const info = ErrorInfo.decode(value);
      if (info.domain === "postroom") reason = info.reason;
    } else if (typeUrl.endsWith("/google.rpc.BadRequest")) {
      problems.push(...BadRequest.decode(value).fieldViolations);
    }
  }
  console.error(`${status[error.code]}: ${error.details}`);
  for (const { field, description } of problems) console.error(`  ${field}: ${description}`);
  if (reason) {
    console.error(`${reason}: nothing was sent`);
  } else {
    console.error(`the mail may have been sent; to be sure, repeat with --request-id ${requestId}`);
  }
}
