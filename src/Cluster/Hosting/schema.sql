-- What the AdoNet providers of Microsoft Orleans 10.4 ask of a PostgreSQL database: they read their statements from OrleansQuery by name, with
-- parameters and result columns of given names. Tables and statements here are this project's own. May be run again and again, by several
-- machines at once (the caller holds an advisory lock).
create table if not exists OrleansQuery (QueryKey varchar(64) primary key, QueryText text not null);

create table if not exists cluster_version (
    deployment text primary key,
    version integer not null default 0
);

-- One row an incarnation of a machine. Status is Orleans.Runtime.SiloStatus; 6 is Dead.
create table if not exists cluster_member (
    deployment text not null references cluster_version (deployment),
    address text not null,
    port integer not null,
    generation integer not null,
    name text not null,
    host text not null,
    status integer not null,
    gateway_port integer,
    suspected text,
    started timestamptz not null,
    alive timestamptz not null,
    primary key (deployment, address, port, generation)
);

create table if not exists grain_state (
    service text not null,
    type text not null,
    n0 bigint not null,
    n1 bigint not null,
    extension text not null default '',
    payload bytea,
    version integer not null,
    modified timestamptz not null default now(),
    primary key (service, type, n0, n1, extension)
);

create table if not exists grain_reminder (
    service text not null,
    grain text not null,
    name text not null,
    starts timestamptz not null,
    period bigint not null,
    hash integer not null,
    version integer not null default 0,
    primary key (service, grain, name)
);

insert into OrleansQuery (QueryKey, QueryText) values
('InsertMembershipVersionKey', '
with added as (insert into cluster_version (deployment) values (@DeploymentId) on conflict do nothing returning 1)
select count(*)::integer from added'),

-- The table''s version is the lock: who raises it may write his row, everybody else reads again.
('InsertMembershipKey', '
with raised as (
    update cluster_version set version = version + 1
    where deployment = @DeploymentId and version = @Version
      and not exists (select 1 from cluster_member where deployment = @DeploymentId and address = @Address and port = @Port and generation = @Generation)
    returning deployment),
added as (
    insert into cluster_member (deployment, address, port, generation, name, host, status, gateway_port, started, alive)
    select deployment, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime from raised
    returning 1)
select count(*)::integer from added'),

('UpdateMembershipKey', '
with raised as (
    update cluster_version set version = version + 1
    where deployment = @DeploymentId and version = @Version
      and exists (select 1 from cluster_member where deployment = @DeploymentId and address = @Address and port = @Port and generation = @Generation)
    returning deployment),
changed as (
    update cluster_member set status = @Status, suspected = @SuspectTimes, alive = greatest(alive, @IAmAliveTime)
    from raised
    where cluster_member.deployment = raised.deployment and address = @Address and port = @Port and generation = @Generation
    returning 1)
select count(*)::integer from changed'),

('UpdateIAmAlivetimeKey', '
update cluster_member set alive = @IAmAliveTime
where deployment = @DeploymentId and address = @Address and port = @Port and generation = @Generation'),

('MembershipReadRowKey', '
select v.deployment as DeploymentId, m.address as Address, m.port as Port, m.generation as Generation, m.name as SiloName, m.host as HostName,
       m.status as Status, m.gateway_port as ProxyPort, m.suspected as SuspectTimes, m.started as StartTime, m.alive as IAmAliveTime, v.version as Version
from cluster_version v
left join cluster_member m on m.deployment = v.deployment and m.address = @Address and m.port = @Port and m.generation = @Generation
where v.deployment = @DeploymentId'),

('MembershipReadAllKey', '
select v.deployment as DeploymentId, m.address as Address, m.port as Port, m.generation as Generation, m.name as SiloName, m.host as HostName,
       m.status as Status, m.gateway_port as ProxyPort, m.suspected as SuspectTimes, m.started as StartTime, m.alive as IAmAliveTime, v.version as Version
from cluster_version v left join cluster_member m on m.deployment = v.deployment
where v.deployment = @DeploymentId'),

('DeleteMembershipTableEntriesKey', '
with gone as (delete from cluster_member where deployment = @DeploymentId)
delete from cluster_version where deployment = @DeploymentId'),

('GatewaysQueryKey', '
select address as Address, gateway_port as ProxyPort, generation as Generation
from cluster_member where deployment = @DeploymentId and status = @Status and gateway_port > 0'),

('CleanupDefunctSiloEntriesKey', '
delete from cluster_member
where deployment = @DeploymentId and status = 6 and alive < @IAmAliveTime and started < @IAmAliveTime'),

('CleanupDefunctSiloEntryKey', '
delete from cluster_member
where deployment = @DeploymentId and status = 6 and address = @Address and port = @Port and generation = @Generation
  and started = @StartTime and alive = @IAmAliveTime and coalesce(suspected, '''') = coalesce(@SuspectTimes, '''')'),

-- The answer is the state''s new version; the same one again says that somebody else has written.
('WriteToStorageKey', '
with changed as (
    update grain_state set payload = @PayloadBinary, version = version + 1, modified = now()
    where service = @ServiceId and type = @GrainTypeString and n0 = @GrainIdN0 and n1 = @GrainIdN1 and extension = coalesce(@GrainIdExtensionString, '''')
      and version = @GrainStateVersion::integer
    returning version),
added as (
    insert into grain_state (service, type, n0, n1, extension, payload, version)
    select @ServiceId, @GrainTypeString, @GrainIdN0, @GrainIdN1, coalesce(@GrainIdExtensionString, ''''), @PayloadBinary, 1
    where @GrainStateVersion::integer is null
    on conflict do nothing
    returning version)
select coalesce((select version from changed), (select version from added), @GrainStateVersion::integer) as NewGrainStateVersion'),

('ReadFromStorageKey', '
select payload as PayloadBinary, null::text as PayloadXml, null::text as PayloadJson, now() as ReadAt, version as Version
from grain_state
where service = @ServiceId and type = @GrainTypeString and n0 = @GrainIdN0 and n1 = @GrainIdN1 and extension = coalesce(@GrainIdExtensionString, '''')'),

('ClearStorageKey', '
update grain_state set payload = null, version = version + 1, modified = now()
where service = @ServiceId and type = @GrainTypeString and n0 = @GrainIdN0 and n1 = @GrainIdN1 and extension = coalesce(@GrainIdExtensionString, '''')
  and version = @GrainStateVersion::integer
returning version as NewGrainStateVersion'),

('DeleteStorageKey', '
delete from grain_state
where service = @ServiceId and type = @GrainTypeString and n0 = @GrainIdN0 and n1 = @GrainIdN1 and extension = coalesce(@GrainIdExtensionString, '''')
  and version = @GrainStateVersion::integer
returning version + 1 as NewGrainStateVersion'),

('UpsertReminderRowKey', '
insert into grain_reminder as r (service, grain, name, starts, period, hash)
values (@ServiceId, @GrainId, @ReminderName, @StartTime, @Period, @GrainHash)
on conflict (service, grain, name) do update set starts = excluded.starts, period = excluded.period, hash = excluded.hash, version = r.version + 1
returning version as Version'),

('ReadReminderRowsKey', '
select grain as GrainId, name as ReminderName, starts as StartTime, period as Period, version as Version
from grain_reminder where service = @ServiceId and grain = @GrainId'),

('ReadReminderRowKey', '
select grain as GrainId, name as ReminderName, starts as StartTime, period as Period, version as Version
from grain_reminder where service = @ServiceId and grain = @GrainId and name = @ReminderName'),

('ReadRangeRows1Key', '
select grain as GrainId, name as ReminderName, starts as StartTime, period as Period, version as Version
from grain_reminder where service = @ServiceId and hash > @BeginHash and hash <= @EndHash'),

('ReadRangeRows2Key', '
select grain as GrainId, name as ReminderName, starts as StartTime, period as Period, version as Version
from grain_reminder where service = @ServiceId and (hash > @BeginHash or hash <= @EndHash)'),

('DeleteReminderRowKey', '
with gone as (delete from grain_reminder where service = @ServiceId and grain = @GrainId and name = @ReminderName and version = @Version returning 1)
select count(*)::integer from gone'),

('DeleteReminderRowsKey', '
delete from grain_reminder where service = @ServiceId')
on conflict (QueryKey) do update set QueryText = excluded.QueryText;
