-- Half of an uploaded index is digests, which no compression makes smaller: trying it was the
-- longest part of storing one.
alter table uploads alter column bytes set storage external;
