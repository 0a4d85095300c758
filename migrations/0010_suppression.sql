-- Which checks explain the outages of others: of the live specs, by address within the project.
-- The version before this one reads and writes none of it.

create table check_parents (
    check_id uuid not null references checks,
    address text not null,
    primary key (check_id, address)
);

create index check_parents_address on check_parents (address);
