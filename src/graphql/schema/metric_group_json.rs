//! Groups of metrics as JSON, without the engine ([`crate::graphql::lists::json_writer`]): there may be thousands of them.

use std::{collections::HashMap, sync::Arc};

use async_graphql::parser::types::SelectionSet;
use entity::{
    announced::Announced,
    query::groups::{Dimension as Grouped, Thing},
    table::{execution_context, session},
    time,
};
use futures_util::future::BoxFuture;

use crate::{
    error::{Code, Error},
    graphql::{
        error::FieldResult,
        lists::{
            dataloader::loaders_of,
            json_writer::{ToOne, fields, member_key, write_object, write_scalar, write_value},
            listed::{SelectionContext, Writable, WritableEdge, WriteEdge, WriteField, WriteJson},
            loader_keys::{HashById, RowById},
        },
        scalars::{Int, LocalDateTime},
        schema::{
            branch::Branch,
            build::Build,
            component::Component,
            execution_context::ExecutionContext,
            item::Item,
            machine_class::MachineClass,
            metric_group::{Argument, MetricGroup, Outcome},
            pipeline::Pipeline,
            project::Project,
            run::Run,
            session::Session,
            statistics::Figure,
            variant::Variant,
        },
    },
};

fn text(thing: Option<&Thing>) -> Option<&str> {
    if let Some(Thing::Text(text)) = thing { Some(text) } else { None }
}

fn write_time(micros: Option<i64>, json: &mut Vec<u8>) -> serde_json::Result<()> {
    write_scalar(micros.map(|micros| LocalDateTime(time::LocalDateTime::from_parts(micros, None))), json)
}

impl WriteJson for MetricGroup {
    fn scalar(field: &str) -> Option<WriteField<Self>> {
        Some(match field {
            "kind" => |group, json| write_scalar(text(group.thing(Grouped::Kind)), json),
            "scmRef" => |group, json| write_scalar(text(group.thing(Grouped::ScmRef)), json),
            "machine" => |group, json| write_scalar(text(group.thing(Grouped::Machine)), json),
            "outcome" => |group, json| {
                let outcome =
                    group.passed().map(|outcome| if outcome == Outcome::Passed { "PASSED" } else { "FAILED" });
                write_scalar(outcome, json)
            },
            "tag" => |group, json| {
                let tag = group.tag_named(None).map_err(<serde_json::Error as serde::ser::Error>::custom)?;
                write_scalar(text(tag), json)
            },
            "bucket" => |group, json| write_time(group.since(), json),
            "metricCount" => |group, json| write_scalar(Int::from(group.group.count), json),
            "firstSeen" => |group, json| write_time(group.group.seen.map(|(first, _)| first), json),
            "lastSeen" => |group, json| write_time(group.group.seen.map(|(_, last)| last), json),
            _ => return None,
        })
    }
}

impl Writable for MetricGroup {
    fn writable_edge(field: &str) -> Option<&'static dyn WritableEdge<Self>> {
        const COMPONENT: ToOne<MetricGroup, Component> =
            ToOne { key: |group| group.row(Grouped::Component), object: |row| Some(Component(row)), is_nullable: true };
        const ITEM: ToOne<MetricGroup, Item> =
            ToOne { key: |group| group.row(Grouped::Item), object: |row| Some(Item(row)), is_nullable: true };
        const VARIANT: ToOne<MetricGroup, Variant> =
            ToOne { key: |group| group.row(Grouped::Variant), object: |row| Some(Variant(row)), is_nullable: true };
        const SESSION: ToOne<MetricGroup, Session> =
            ToOne { key: |group| group.row(Grouped::Session), object: Session::announced, is_nullable: true };
        const PIPELINE: ToOne<MetricGroup, Pipeline> =
            ToOne { key: |group| group.row(Grouped::Pipeline), object: |row| Some(Pipeline(row)), is_nullable: true };
        const BUILD: ToOne<MetricGroup, Build> =
            ToOne { key: |group| group.row(Grouped::Build), object: |row| Some(Build(row)), is_nullable: true };
        const CONTEXT: ToOne<MetricGroup, ExecutionContext> =
            ToOne { key: |group| group.row(Grouped::Context), object: ExecutionContext::announced, is_nullable: true };
        const PROJECT: ToOne<MetricGroup, Project> =
            ToOne { key: |group| group.row(Grouped::Project), object: |row| Some(Project(row)), is_nullable: true };
        const RUN: ToOne<MetricGroup, Run> =
            ToOne { key: |group| group.row(Grouped::Run), object: |row| Some(Run(row)), is_nullable: true };
        const BRANCH: ToOne<MetricGroup, Branch> =
            ToOne { key: |group| group.row(Grouped::Branch), object: |row| Some(Branch(row)), is_nullable: true };
        const MACHINE_CLASS: ToOne<MetricGroup, MachineClass> = ToOne {
            key: |group| group.row(Grouped::MachineClass),
            object: |row| Some(MachineClass(row)),
            is_nullable: true,
        };
        const SESSION_HASH: HashEdge<session::Entity> = HashEdge(Grouped::Session, RowById::new);
        const CONTEXT_HASH: HashEdge<execution_context::Entity> = HashEdge(Grouped::Context, RowById::new);
        Some(match field {
            "component" => &COMPONENT,
            "item" => &ITEM,
            "variant" => &VARIANT,
            "session" => &SESSION,
            "pipeline" => &PIPELINE,
            "build" => &BUILD,
            "context" => &CONTEXT,
            "project" => &PROJECT,
            "run" => &RUN,
            "branch" => &BRANCH,
            "machineClass" => &MACHINE_CLASS,
            "sessionHash" => &SESSION_HASH,
            "contextHash" => &CONTEXT_HASH,
            "stats" => &StatsEdge,
            "distinct" => &DistinctEdge,
            _ => return None,
        })
    }

    fn reads_arguments(field: &str) -> bool {
        matches!(field, "stats" | "distinct")
    }
}

/// Leads to the hash of a session or context, announced or not.
struct HashEdge<E>(Grouped, fn(i64) -> RowById<E>);

impl<E: Announced> WritableEdge<MetricGroup> for HashEdge<E> {
    fn can_write(&self, _: &SelectionSet) -> bool {
        true
    }

    fn load<'a>(
        &'a self,
        selection: SelectionContext<'a>,
        groups: &'a [MetricGroup],
    ) -> BoxFuture<'a, FieldResult<WriteEdge<MetricGroup>>> {
        Box::pin(async move {
            let Self(by, row_by_id) = *self;
            let mut keys: Vec<i64> = groups.iter().filter_map(|group| group.row(by)).collect();
            keys.sort_unstable();
            keys.dedup();
            let look_ups = keys.iter().map(|key| HashById(row_by_id(*key))).collect();
            let found = loaders_of(selection.ctx).load_many(look_ups).await?;
            let hash = |key: i64| Some((key, Arc::clone(found.get(&HashById(row_by_id(key)))?)));
            let hashes: HashMap<i64, Arc<str>> = keys.into_iter().filter_map(hash).collect();
            Ok(Box::new(move |group: &MetricGroup, out: &mut Vec<u8>| {
                write_value(group.row(by).and_then(|key| hashes.get(&key)).map(|hash| &**hash), out);
            }) as WriteEdge<MetricGroup>)
        })
    }
}

/// Returns the arguments of a field of all groups, by the response names on the path to it.
fn argument_at(groups: &[MetricGroup], path: &[&str]) -> Option<Argument> {
    groups.first()?.shared.arguments.get(&path.join("/")).cloned()
}

fn unknown() -> Error {
    Error::new(Code::Internal, "an argument that was not read")
}

/// Leads to the statistics of a resource.
struct StatsEdge;

impl WritableEdge<MetricGroup> for StatsEdge {
    fn can_write(&self, set: &SelectionSet) -> bool {
        let is_supported = |name: &str| matches!(name, "__typename" | "metricCount" | "percentile");
        fields(set).all(|field| {
            let name = field.name.node.as_str();
            is_supported(name) || Figure::of_field(name, None).is_some()
        })
    }

    fn load<'a>(
        &'a self,
        selection: SelectionContext<'a>,
        groups: &'a [MetricGroup],
    ) -> BoxFuture<'a, FieldResult<WriteEdge<MetricGroup>>> {
        enum Member {
            TypeName,
            Count,
            Figure(Figure),
        }
        Box::pin(async move {
            let SelectionContext { set, path, .. } = selection;
            let path = &path[path.len().saturating_sub(2)..];
            let Some(Argument::Resource(index)) = argument_at(groups, path) else { return Err(unknown().into()) };
            let mut members = Vec::new();
            for field in fields(set) {
                let name = field.name.node.as_str();
                let member = match name {
                    "__typename" => Member::TypeName,
                    "metricCount" => Member::Count,
                    "percentile" => {
                        let argument = argument_at(groups, &[path, &[field.response_key().node.as_str()]].concat());
                        let Some(Argument::Percentile(p)) = argument else { return Err(unknown().into()) };
                        Member::Figure(Figure::of_field(name, Some(p)).ok_or_else(unknown)?)
                    }
                    name => Member::Figure(Figure::of_field(name, None).ok_or_else(unknown)?),
                };
                members.push((member_key(field), member));
            }
            Ok(Box::new(move |group: &MetricGroup, out: &mut Vec<u8>| {
                let MetricGroup { group, shared } = group;
                let statistics = &group.statistics[index];
                let computed = &shared.selected.resources[index].1.percentiles;
                let share = group.shares.get(index).copied().flatten();
                write_object(&members, out, |member, out| match member {
                    Member::TypeName => write_value("MetricStatistics", out),
                    Member::Count => write_value(Int::from(statistics.count), out),
                    Member::Figure(figure) => write_value(figure.value(statistics, computed, share), out),
                });
            }) as WriteEdge<MetricGroup>)
        })
    }
}

/// Leads to a number of distinct things.
struct DistinctEdge;

impl WritableEdge<MetricGroup> for DistinctEdge {
    fn can_write(&self, _: &SelectionSet) -> bool {
        true
    }

    fn load<'a>(
        &'a self,
        SelectionContext { path, .. }: SelectionContext<'a>,
        groups: &'a [MetricGroup],
    ) -> BoxFuture<'a, FieldResult<WriteEdge<MetricGroup>>> {
        Box::pin(async move {
            let path = &path[path.len().saturating_sub(2)..];
            let Some(Argument::Distinct(index)) = argument_at(groups, path) else { return Err(unknown().into()) };
            Ok(Box::new(move |group: &MetricGroup, out: &mut Vec<u8>| {
                write_value(Int::from(group.group.distinct[index]), out);
            }) as WriteEdge<MetricGroup>)
        })
    }
}
