//! The five resources that pytest-monitor measures for each test.

/// A measured resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Wall time, in seconds.
    TotalTime,
    /// Processor time in user space, in seconds.
    UserTime,
    /// Processor time in the kernel, in seconds.
    KernelTime,
    /// Processor time divided by wall time: 1 is one processor kept busy.
    CpuUsage,
    /// Memory, in MB; negative where the test gave some back.
    MemoryUsage,
}

impl Resource {
    /// All of them, in the order of the columns of `metric_row`.
    pub const ALL: [Self; 5] = [Self::TotalTime, Self::UserTime, Self::KernelTime, Self::CpuUsage, Self::MemoryUsage];

    /// Returns the position in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Returns the difference up to which two medians say nothing, in the unit of the resource: twice the grain of what
    /// pytest-monitor measures, so that 99 % of what only the grain makes is below it. `None` for CPU usage, which is not judged:
    /// it is a ratio of the others.
    pub const fn floor(self) -> Option<f64> {
        match self {
            Self::TotalTime => Some(0.005_15),
            Self::UserTime | Self::KernelTime => Some(0.051_5),
            Self::CpuUsage => None,
            Self::MemoryUsage => Some(1.29),
        }
    }

    /// The name of its column in `metric_row`. In `variant`, `min_` and `max_` precede it.
    pub const fn column(self) -> &'static str {
        match self {
            Self::TotalTime => "total_time",
            Self::UserTime => "user_time",
            Self::KernelTime => "kernel_time",
            Self::CpuUsage => "cpu_usage",
            Self::MemoryUsage => "memory_usage",
        }
    }
}
