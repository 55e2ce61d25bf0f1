import { readFileSync } from "node:fs";
import { credentials, Metadata } from "@grpc/grpc-js";
import { DeliveryServiceClient } from "../gen/postroom/v1/delivery_service.js";

// Calls that end UNAVAILABLE are made again, and no others.
const serviceConfig = readFileSync(
  new URL("../../../../protos/service_config.json", import.meta.url),
  "utf8",
);

/**
 * Reads POSTROOM_TARGET, POSTROOM_CA_FILE (speak TLS, and trust these authorities)
 * and POSTROOM_TOKEN (who is calling; needs TLS). The connection is made with the
 * first call, and serves any number of them at once.
 */
export function connect(): DeliveryServiceClient {
  const target = process.env.POSTROOM_TARGET || "localhost:50051";
  return new DeliveryServiceClient(target, security(), {
    "grpc.service_config": serviceConfig,
    // A dead link is noticed after 40 s, even while nothing is sent.
    // The service allows a ping each 10 s.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 1,
  });
}

function security() {
  const { POSTROOM_CA_FILE: authorities, POSTROOM_TOKEN: token } = process.env;
  if (!authorities) {
    if (token) throw new Error("a token must not travel in plain text: set POSTROOM_CA_FILE");
    return credentials.createInsecure();
  }
  const tls = credentials.createSsl(readFileSync(authorities));
  return token ? credentials.combineChannelCredentials(tls, bearer(token)) : tls;
}

function bearer(token: string) {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return credentials.createFromMetadataGenerator((_, done) => done(null, metadata));
}
