-- In the order that is final.
DROP INDEX event_of_tenant;
CREATE INDEX event_of_tenant ON event (tenant, xid, seq);
