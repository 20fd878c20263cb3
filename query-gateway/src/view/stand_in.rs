//! What goes on where a definition cannot be: the earlier one by which the view was served. A view that was changed for the
//! worse is FAILED, and says so; who reads it finds what was there before.

use std::collections::BTreeSet;

use super::{
    View, ViewKind, ViewState,
    definition::{Definition, Definitions, Served},
    plan::Plan,
};

/// What is said of a view that is not what its definition says.
const GOES_ON: &str = "until that is mended, its earlier definition goes on";

/// The definitions in force.
pub(super) struct StandIns<'s> {
    served: &'s Served,
    /// Each as it is defined, or as it was.
    pub(super) views: Vec<Definition>,
    /// Names of those that are as they were.
    names: BTreeSet<String>,
    /// What is wrong, with and without something that stands in for it.
    wrong: Vec<View>,
}

impl<'s> StandIns<'s> {
    /// As everything is defined; what cannot even be read is as it was.
    pub(super) fn new(definitions: &Definitions, served: &'s Served) -> Self {
        let views = definitions.views.clone();
        let mut this = Self { served, views, names: BTreeSet::new(), wrong: Vec::new() };
        for refused in &definitions.refused {
            let was = |earlier: &&Definition| match refused.kind {
                ViewKind::Unspecified => earlier.origin.file() == refused.file && !refused.file.is_empty(),
                _ => earlier.view.name == refused.name,
            };
            let free = |earlier: &&Definition| definitions.origin(&earlier.view.name).is_none();
            let earlier: Vec<&Definition> = served.values().filter(was).filter(free).collect();
            if earlier.is_empty() {
                this.wrong.push(refused.clone());
            }
            for earlier in earlier {
                this.wrong.push(View { name: earlier.view.name.clone(), ..refused.clone() });
                if this.names.insert(earlier.view.name.clone()) {
                    this.views.push(earlier.clone());
                }
            }
        }
        this
    }

    /// Puts an earlier definition in the place of each that is wrong, or waits for something; whether there was one.
    pub(super) fn take_over(&mut self, plan: &Plan) -> bool {
        let before = self.names.len();
        for definition in &mut self.views {
            let name = &definition.view.name;
            let earlier = self.served.get(name).filter(|earlier| earlier.view != definition.view);
            let view = plan.views.iter().find(|view| view.name == *name);
            let view = view.filter(|view| plan.wrong.contains(name) || view.state == ViewState::Pending);
            if let (Some(earlier), Some(view)) = (earlier, view) {
                self.wrong.push(view.clone());
                self.names.insert(name.clone());
                *definition = earlier.clone();
            }
        }
        self.names.len() > before
    }

    /// By which definition each view is served from now on: by this one if it is as it should be, else by the one before.
    pub(super) fn serving(&self, plan: &Plan) -> Served {
        let ready = plan.views.iter().filter(|view| view.state == ViewState::Ready);
        let ready: BTreeSet<&str> = ready.map(|view| view.name.as_str()).collect();
        let serving = self.views.iter().filter_map(|definition| {
            let name = &definition.view.name;
            let now = ready.contains(name.as_str()).then_some(definition);
            Some((name.clone(), now.or_else(|| self.served.get(name))?.clone()))
        });
        serving.collect()
    }

    /// What users are told: of what is stood in for, what is wrong with it.
    pub(super) fn show(self, plan: &mut Plan) {
        let (stand_ins, mut views): (Vec<View>, Vec<View>) =
            std::mem::take(&mut plan.views).into_iter().partition(|view| self.names.contains(&view.name));
        for mut wrong in self.wrong {
            if let Some(stand_in) = stand_ins.iter().find(|view| view.name == wrong.name) {
                if stand_in.state == ViewState::Ready {
                    wrong.reason = format!("{}; {GOES_ON}", wrong.reason);
                }
                wrong.columns.clone_from(&stand_in.columns);
                wrong.kind = stand_in.kind;
            }
            views.push(wrong);
        }
        views.sort_by(|one, other| (&one.file, &one.name).cmp(&(&other.file, &other.name)));
        plan.views = views;
    }
}
