//! The resources that are measured.

use async_graphql::Enum;

/// A resource that a test uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::resource::Resource")]
pub enum Resource {
    /// `memoryUsage`: peak memory minus the memory at the start of the session, in MB. It depends on the test order.
    #[graphql(name = "MEMORY")]
    MemoryUsage,
    /// `cpuUsage`: CPU time divided by total time, a ratio. Short tests with expensive fixtures rank first.
    #[graphql(name = "CPU")]
    CpuUsage,
    /// `kernelTime`: CPU time in kernel mode, including function-scoped fixtures, in seconds.
    KernelTime,
    /// `userTime`: CPU time in user mode, including function-scoped fixtures, in seconds.
    UserTime,
    /// `totalTime`: wall-clock time without fixtures, in seconds.
    TotalTime,
}
