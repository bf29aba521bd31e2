//! Loader keys of runs: what is looked up, or computed from the history, for several runs at once.

use std::collections::{BTreeSet, HashMap};

use entity::{
    query::{
        Store,
        runs::{self, Changes, Times, Totals},
    },
    table::run,
};

use crate::{error::Error, graphql::lists::dataloader::LoaderKey};

/// Defines a key that has the id of a run, and what it loads.
macro_rules! keys_of_runs {
    ($($(#[doc = $doc:literal])+ $Key:ident: $Value:ty = $load:expr;)*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
            pub struct $Key(pub i64);

            impl LoaderKey for $Key {
                type Value = $Value;

                async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, $Value>, Error> {
                    let runs: Vec<i64> = keys.iter().map(|key| key.0).collect();
                    let found = $load(db, &runs).await?;
                    Ok(found.into_iter().map(|(run, value)| (Self(run), value)).collect())
                }
            }
        )*
    };
}
keys_of_runs! {
    /// Loads what the sessions of a run say together, by the id of the run.
    RunTotals: Totals = runs::totals;
    /// Loads the id of the run before a run, by its id.
    PreviousRun: i64 = run::previous;
    /// Loads the names of the machines of a run, by its id.
    RunMachines: BTreeSet<String> = runs::machines;
    /// Loads the number of variants that a run measured, by its id.
    RunTests: u64 = runs::tests;
    /// Loads the times of a run, by its id.
    RunTimes: Times = runs::times;
    /// Loads what changed from the previous run to a run, by its id.
    RunChanges: Changes = runs::changes;
}
