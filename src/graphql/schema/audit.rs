//! Audit records: who deleted what, and when.

use async_graphql::{Enum, InputObject};
use entity::table::audit_record as row;

use crate::{
    error::{Code, Error},
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            filter::{Connectives, StringFilter, Where, check},
            listed::listed_as_row,
            object::graph_object,
        },
        scalars::{DateTime, Int},
    },
};

/// A record of what was done.
pub struct AuditRecord(pub row::Model);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum AuditAction {
    /// Sessions were deleted, with their metrics.
    DeleteSessions,
}

listed_as_row!(AuditRecord, AuditRecordWhere);

graph_object! {
    /// A record of who deleted what was stored, and when. It is stored in the transaction that does it.
    impl AuditRecord {
        scalars {
            /// Name of the token that asked for it. Null for a command of the program.
            fn token(&self) -> Option<&str> {
                self.0.token.as_deref()
            }

            /// To what it was done: the filter of the sessions, as a query would have it.
            fn subject(&self) -> &str {
                &self.0.subject
            }

            /// Number of sessions.
            fn session_count(&self) -> Int {
                self.0.session_count.into()
            }

            /// Number of metrics.
            fn metric_count(&self) -> Int {
                self.0.metric_count.into()
            }
        }

        /// When it began, in UTC.
        async fn at(&self) -> DateTime {
            DateTime(self.0.at)
        }

        /// What was done.
        async fn action(&self) -> FieldResult<AuditAction> {
            match self.0.action.as_str() {
                row::DELETE_SESSIONS => Ok(AuditAction::DeleteSessions),
                other => Err(Error::new(Code::Internal, format!("an action of another version: {other}")).into()),
            }
        }
    }
}

/// Filter for audit records. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct AuditRecordWhere {
    /// All of these filters must match.
    and: Option<Vec<AuditRecordWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<AuditRecordWhere>>,
    /// This filter must not match.
    not: Option<Box<AuditRecordWhere>>,
    /// Filter by the name of the token.
    token: Option<StringFilter>,
    /// Filter by the subject.
    subject: Option<StringFilter>,
}

impl Where for AuditRecordWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter { token: check!(self.token, "token"), subject: check!(self.subject, "subject") };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct AuditQuery;

graph_object! {
    impl AuditQuery {}
    /// All audit records, in order of time.
    list audit_records: row::Entity, for Admin = |_| Parent::Root;
}
