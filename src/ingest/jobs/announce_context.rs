//! Announces an execution context, before or after its first metrics.

use entity::{
    driver::{keys, source::Source as _},
    table::execution_context,
};
use sea_orm::{ActiveValue::Set, DbErr, IntoActiveModel as _};

use crate::{
    error::Error,
    ingest::{batch::Batch, job::Job, machine::MachineClass, names::Name, queue::Ingest, runs},
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

const SET_CLASS: &str = "UPDATE execution_context SET machine_class_id = $2 WHERE id = $1";

/// The announced sessions that have measured something in context `$1`, and whose machine is unknown.
const WAITING: &str = "SELECT session.id FROM session JOIN session_context ON session_context.session_id = session.id \
    WHERE session_context.context_id = $1 AND session.machine IS NULL AND session.announced IS NOT NULL ORDER BY session.id";

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
        let mut row = batch.tx.update(row).await?;
        let class = MachineClass::of(&row).key(&batch.tx).await?;
        batch.tx.run(SET_CLASS, [id.into(), class.into()]).await?;
        row.machine_class_id = Some(class);
        // Sessions may have measured something in it already.
        let waiting: Vec<i64> =
            if row.metric_count > 0 { batch.tx.select(WAITING, [id.into()]).await? } else { Vec::new() };
        runs::settle(&batch.tx, &waiting).await?;
        Ok(row)
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
