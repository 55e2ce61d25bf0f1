-- What the writer asks on its own account, for PostgreSQL.

-- stored_delivery --
-- Nobody changes it until what follows from it is stored.
SELECT version, doc FROM delivery WHERE id = %s FOR UPDATE
