//! Announces an execution context, before or after its first metrics.

use entity::{driver::keys, table::execution_context};
use sea_orm::{ActiveValue::Set, DbErr, IntoActiveModel as _};

use crate::{
    error::Error,
    ingest::{batch::Batch, job::Job, names::Name, queue::Ingest},
};

/// An execution context's announcement.
#[derive(Debug, Clone, PartialEq)]
pub struct NewContext {
    /// What metrics call it.
    pub hash: String,
    /// Processors.
    pub cpu_count: i64,
    /// MHz.
    pub cpu_frequency: f64,
    /// The processor's type.
    pub cpu_type: String,
    /// The processor's maker and model.
    pub cpu_vendor: Option<String>,
    /// MB.
    pub ram_total: i64,
    /// The machine's name on the network.
    pub machine_node: String,
    /// The machine's type.
    pub machine_type: String,
    /// The machine's word size.
    pub machine_arch: String,
    /// The operating system.
    pub system_info: String,
    /// The Python.
    pub python_info: String,
}

impl Job for NewContext {
    type Stored = execution_context::Model;
    type Answer = execution_context::Model;

    async fn store(&self, batch: &mut Batch<'_>) -> Result<execution_context::Model, DbErr> {
        let id = batch.names.contexts.key(&batch.tx, Name::of([&self.hash])).await?;
        let stored = batch.row::<execution_context::Entity>(id).await?;
        if stored.announced.is_some() {
            return Ok(stored);
        }
        let announced = keys::next(&batch.tx, "execution_context", "announced").await?;
        let row = execution_context::ActiveModel {
            announced: Set(Some(announced)),
            cpu_count: Set(Some(self.cpu_count)),
            cpu_frequency: Set(Some(self.cpu_frequency)),
            cpu_type: Set(Some(self.cpu_type.clone())),
            cpu_vendor: Set(self.cpu_vendor.clone()),
            ram_total: Set(Some(self.ram_total)),
            machine_node: Set(Some(self.machine_node.clone())),
            machine_type: Set(Some(self.machine_type.clone())),
            machine_arch: Set(Some(self.machine_arch.clone())),
            system_info: Set(Some(self.system_info.clone())),
            python_info: Set(Some(self.python_info.clone())),
            ..stored.into_active_model()
        };
        batch.tx.update(row).await
    }

    fn answer(self, stored: execution_context::Model) -> Result<execution_context::Model, Error> {
        Ok(stored)
    }
}

impl Ingest {
    /// Announces an execution context. A known hash returns the stored one, whatever the payload: the hash that workers compute does
    /// not cover every field.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub(crate) async fn announce_context(&self, context: NewContext) -> Result<execution_context::Model, Error> {
        self.run(context).await
    }
}
