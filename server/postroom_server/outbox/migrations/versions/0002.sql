-- Large octets in files: which delivery's content refers to which, and blobs.

CREATE TABLE content_file (
    delivery TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (delivery, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX content_of_file ON content_file (sha256);

-- What a tenant uploaded for mails to come.
CREATE TABLE blob (
    tenant TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_of_file ON blob (sha256);
CREATE INDEX blob_expiry ON blob (expires_at);
