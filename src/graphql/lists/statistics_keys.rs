//! The loader key of statistics: those of all objects of a list are computed in one scan.

use std::collections::HashMap;

use entity::{
    filter::Tree,
    list::Edge,
    query::{
        Store,
        groups::{OfRow, Selected, statistics_under},
    },
    table::metric,
};

use crate::{
    error::Error,
    graphql::lists::{dataloader::LoaderKey, loader_keys::PerParent},
};

/// Loads statistics of the metrics that an edge leads to from a parent.
pub struct ChildStatistics {
    edge: Edge<metric::Entity>,
    filter: Tree<metric::Filter>,
    wanted: Selected,
}

impl PartialEq for ChildStatistics {
    fn eq(&self, other: &Self) -> bool {
        self.edge == other.edge && self.wanted == other.wanted && self.filter == other.filter
    }
}

impl ChildStatistics {
    /// Creates the key of what is wanted of the metrics that match, for one parent.
    pub fn key(
        edge: Edge<metric::Entity>,
        parent: i64,
        filter: Tree<metric::Filter>,
        wanted: Selected,
    ) -> PerParent<Self> {
        let hashed = (edge.name, format!("{:?}", wanted.resources));
        let query = Self { edge, filter: filter.clone(), wanted };
        PerParent::new(parent, query, hashed, &filter)
    }
}

impl LoaderKey for PerParent<ChildStatistics> {
    type Value = OfRow;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, OfRow>, Error> {
        let mut all = HashMap::with_capacity(keys.len());
        for (ChildStatistics { edge, filter, wanted }, keys) in Self::by_query(keys) {
            let parents: Vec<i64> = keys.iter().map(|key| key.parent).collect();
            let mut found = statistics_under(db, *edge, &parents, filter, wanted).await?;
            all.extend(keys.into_iter().filter_map(|key| Some((key.clone(), found.remove(&key.parent)?))));
        }
        Ok(all)
    }
}
