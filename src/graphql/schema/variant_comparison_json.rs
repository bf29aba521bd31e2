//! Compared variants as JSON, without the engine ([`crate::graphql::lists::json_writer`]): there may be thousands of them.

use async_graphql::parser::types::SelectionSet;
use futures_util::future::BoxFuture;

use crate::graphql::{
    error::FieldResult,
    lists::{
        json_writer::{ToOne, fields, member_key, write_object, write_scalar, write_value},
        listed::{SelectionContext, Writable, WritableEdge, WriteEdge, WriteField, WriteJson},
    },
    schema::{
        machine_class::MachineClass,
        variant::Variant,
        variant_comparison::{ChangeStatus, VariantComparison, name_of_change, name_of_magnitude, name_of_presence},
    },
};

impl WriteJson for VariantComparison {
    fn scalar(field: &str) -> Option<WriteField<Self>> {
        Some(match field {
            "presence" => |of, json| write_scalar(name_of_presence(of.row.presence), json),
            "isComparable" => |of, json| write_scalar(of.row.is_comparable, json),
            "isAmbiguous" => |of, json| write_scalar(of.row.is_ambiguous, json),
            "status" => |of, json| write_scalar(of.row.judgement.map(ChangeStatus::from).map(name_of_change), json),
            "difference" => |of, json| write_scalar(of.difference_of_medians(), json),
            "ratio" => |of, json| write_scalar(of.row.ratio, json),
            "p" => |of, json| write_scalar(of.row.finding.map(|finding| finding.p), json),
            "adjustedP" => |of, json| write_scalar(of.row.adjusted_p, json),
            "delta" => |of, json| write_scalar(of.row.finding.map(|finding| finding.delta), json),
            "magnitude" => |of, json| write_scalar(of.magnitude_of_delta().map(name_of_magnitude), json),
            _ => return None,
        })
    }
}

impl Writable for VariantComparison {
    fn writable_edge(field: &str) -> Option<&'static dyn WritableEdge<Self>> {
        const VARIANT: ToOne<VariantComparison, Variant> =
            ToOne { key: |of| Some(of.row.variant), object: |row| Some(Variant(row)), is_nullable: false };
        const MACHINE_CLASS: ToOne<VariantComparison, MachineClass> =
            ToOne { key: |of| of.row.machine_class, object: |row| Some(MachineClass(row)), is_nullable: true };
        const BEFORE: Inner = Inner { type_name: "VariantSide", is_there: |_| true, member: of_side::<0> };
        const AFTER: Inner = Inner { type_name: "VariantSide", is_there: |_| true, member: of_side::<1> };
        const INTERVAL: Inner = Inner {
            type_name: "DifferenceInterval",
            is_there: |of| of.interval_of_difference().is_some(),
            member: of_interval,
        };
        Some(match field {
            "variant" => &VARIANT,
            "machineClass" => &MACHINE_CLASS,
            "before" => &BEFORE,
            "after" => &AFTER,
            "interval" => &INTERVAL,
            _ => return None,
        })
    }
}

/// Writes a member of an object that a compared variant holds.
type WriteMember = fn(&VariantComparison, &mut Vec<u8>);

fn of_side<const SIDE: usize>(name: &str) -> Option<WriteMember> {
    Some(match name {
        "metricCount" => |of, json| write_value(of.side(SIDE).metric_count, json),
        "median" => |of, json| write_value(of.side(SIDE).median, json),
        _ => return None,
    })
}

fn of_interval(name: &str) -> Option<WriteMember> {
    Some(match name {
        "low" => |of, json| write_value(of.interval_of_difference().map(|interval| interval.low), json),
        "high" => |of, json| write_value(of.interval_of_difference().map(|interval| interval.high), json),
        _ => return None,
    })
}

/// Leads to an object that a compared variant holds.
struct Inner {
    type_name: &'static str,
    is_there: fn(&VariantComparison) -> bool,
    member: fn(&str) -> Option<WriteMember>,
}

impl WritableEdge<VariantComparison> for Inner {
    fn can_write(&self, set: &SelectionSet) -> bool {
        fields(set).all(|field| {
            let name = field.name.node.as_str();
            name == "__typename" || (self.member)(name).is_some()
        })
    }

    fn load<'a>(
        &'a self,
        SelectionContext { set, .. }: SelectionContext<'a>,
        _: &'a [VariantComparison],
    ) -> BoxFuture<'a, FieldResult<WriteEdge<VariantComparison>>> {
        let Self { type_name, is_there, member } = *self;
        let members: Vec<(String, Option<WriteMember>)> =
            fields(set).map(|field| (member_key(field), member(field.name.node.as_str()))).collect();
        let write = move |of: &VariantComparison, out: &mut Vec<u8>| {
            if !is_there(of) {
                return write_value((), out);
            }
            write_object(&members, out, |member, out| match member {
                Some(member) => member(of, out),
                None => write_value(type_name, out),
            });
        };
        Box::pin(async move { Ok(Box::new(write) as WriteEdge<VariantComparison>) })
    }
}
