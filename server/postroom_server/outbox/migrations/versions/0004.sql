-- Events are read by tenant, in their order.

CREATE INDEX event_of_tenant ON event (tenant, seq);
