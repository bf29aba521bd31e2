//! The ranking of all metrics.

use crate::graphql::lists::{connection::Parent, object::graph_object};

#[derive(Default)]
pub struct TopQuery;

graph_object! {
    impl TopQuery {}
    ranking {
        /// The metrics that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |_| Parent::Root;
    }
}
