//! The loader key of histories: those of all variants of a list are read in one scan.

use std::{collections::HashMap, sync::Arc};

use entity::query::{
    Store,
    points::{Point, Question, points},
};

use crate::{
    error::Error,
    graphql::lists::{dataloader::LoaderKey, loader_keys::PerParent},
};

/// Loads what a variant measured in its latest runs.
#[derive(PartialEq)]
pub struct VariantPoints(Question);

impl VariantPoints {
    /// Creates the key of what is asked, for the variant with this id.
    pub fn key(variant: i64, question: Question) -> PerParent<Self> {
        let (filter, hashed) = (question.filter.clone(), (question.runs, question.by_class));
        PerParent::new(variant, Self(question), hashed, &filter)
    }
}

impl LoaderKey for PerParent<VariantPoints> {
    type Value = Arc<[Point]>;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let mut all = HashMap::with_capacity(keys.len());
        for (VariantPoints(question), keys) in Self::by_query(keys) {
            let variants: Vec<i64> = keys.iter().map(|key| key.parent).collect();
            let mut found = points(db, &variants, question).await?;
            all.extend(keys.into_iter().filter_map(|key| Some((key.clone(), found.remove(&key.parent)?.into()))));
        }
        Ok(all)
    }
}
