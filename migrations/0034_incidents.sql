-- An incident is stored before the event that opens it, in the same transaction, and removed after its
-- events. Postgres looked up this reference by reading all incidents each time: there were none when
-- it first did.
alter table transitions drop constraint transitions_incident_id_fkey;
