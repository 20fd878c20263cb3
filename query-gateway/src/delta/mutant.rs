//! Defects that the proof of the views must find. A test switches one on for its thread; in any other build none can be,
//! and asking is free.

/// A way in which a view could be kept wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Rows that go are not removed.
    DroppedRetraction,
    /// A smallest or largest value that is gone is not looked up again.
    MissingRepair,
    /// Rows whose group is NULL are left out.
    LostNullGroup,
    /// Two leaves of one table are never changed at once.
    LostSelfJoinTerm,
    /// A row that finds or loses its partner stays as it was.
    LostFlip,
    /// Changes pass by what is being filled.
    StaleSwap,
    /// The row behind which a fill stands is taken for one that it has not come to.
    FrontierOffByOne,
    /// Who reads groups is told of new ones alone.
    NoOldGroup,
    /// A row that is updated in place is not noted.
    LostUpdate,
    /// Of windows, only partitions that rows came to are computed again.
    NewPartitionsOnly,
    /// NULLs are counted.
    CountedNulls,
    /// NOT IN takes what is unknown for different.
    NotInKnowsNulls,
    /// A row does not follow from the partners that it needs.
    UnnamedPartner,
    /// A row does not follow from the partners of outer joins.
    UnnamedOuter,
    /// Of a window, the row itself is all that it follows from.
    UnnamedPartition,
    /// Rows that are known by a NULL follow from nothing.
    UnnamedNull,
    /// Of several branches, rows follow from the first alone.
    UnnamedBranch,
    /// Rows follow from those that the conditions leave out, too.
    NamedWithoutFilter,
}

impl Mutant {
    /// Each of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::DroppedRetraction,
        Self::MissingRepair,
        Self::LostNullGroup,
        Self::LostSelfJoinTerm,
        Self::LostFlip,
        Self::StaleSwap,
        Self::FrontierOffByOne,
        Self::NoOldGroup,
        Self::LostUpdate,
        Self::NewPartitionsOnly,
        Self::CountedNulls,
        Self::NotInKnowsNulls,
    ];

    /// Those by which rows would be explained wrongly.
    #[cfg(test)]
    pub(crate) const OF_ORIGINS: [Self; 6] = [
        Self::UnnamedPartner,
        Self::UnnamedOuter,
        Self::UnnamedPartition,
        Self::UnnamedNull,
        Self::UnnamedBranch,
        Self::NamedWithoutFilter,
    ];

    /// Whether it is switched on.
    #[cfg(not(test))]
    pub(super) const fn is_on(self) -> bool {
        false
    }

    /// Whether it is switched on.
    #[cfg(test)]
    pub(super) fn is_on(self) -> bool {
        ON.get() == Some(self)
    }

    /// Switches a defect on for this thread, or all of them off.
    #[cfg(test)]
    pub(crate) fn switch(mutant: Option<Self>) {
        ON.set(mutant);
    }
}

#[cfg(test)]
thread_local! {
    static ON: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}
