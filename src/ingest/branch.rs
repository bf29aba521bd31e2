//! The branch of a session, from its tags: the one table of rules, which `docs/pytest.md` repeats.

/// What gives a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// The value of this tag.
    Tag(String),
    /// The pipeline, if the CI system is one of these.
    PipelineOf(&'static [&'static str]),
}

/// The rules, of which the first that gives a branch counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchRules(Vec<Rule>);

/// The tags that name a branch by default.
const TAGS: [&str; 2] = ["branch", "git_branch"];

/// Drone, as the plugin names it in the tag `__ci__`. It is the only system whose pipeline is always a branch: Jenkins sends a
/// branch or a job, which can't be told apart, GitLab and CircleCI send a job, Travis CI the id of a build.
const DRONE: &[&str] = &["droneci"];

impl Default for BranchRules {
    fn default() -> Self {
        let tags = TAGS.into_iter().map(|tag| Rule::Tag(tag.to_owned()));
        Self(tags.chain([Rule::PipelineOf(DRONE)]).collect())
    }
}

impl BranchRules {
    /// Returns rules by which only the first of these tags that a session has names its branch; without tags, the default rules.
    pub fn of_tags(tags: Vec<String>) -> Self {
        if tags.is_empty() { Self::default() } else { Self(tags.into_iter().map(Rule::Tag).collect()) }
    }

    /// Returns the branch of a session with these tags.
    pub(crate) fn branch<'t>(&self, tags: &'t [(String, String)]) -> Option<&'t str> {
        self.0.iter().find_map(|rule| match rule {
            Rule::Tag(name) => value_of(tags, name),
            Rule::PipelineOf(systems) => {
                value_of(tags, "__ci__").filter(|system| systems.contains(system))?;
                value_of(tags, "pipeline_branch")
            }
        })
    }
}

/// Returns the value of the first tag with this name, unless it is empty.
pub(crate) fn value_of<'t>(tags: &'t [(String, String)], name: &str) -> Option<&'t str> {
    tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::BranchRules;

    fn branch(rules: &BranchRules, tags: &[(&str, &str)]) -> Option<String> {
        let tags: Vec<_> = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        rules.branch(&tags).map(str::to_owned)
    }

    #[test]
    fn tags_name_the_branch_and_only_drone_has_it_as_pipeline() {
        let rules = BranchRules::default();
        for (tags, expected) in [
            (&[("branch", "a"), ("git_branch", "b")][..], Some("a")),
            (&[("git_branch", "b"), ("branch", "")], Some("b")),
            (&[("__ci__", "droneci"), ("pipeline_branch", "main")], Some("main")),
            (&[("__ci__", "droneci"), ("pipeline_branch", "main"), ("git_branch", "b")], Some("b")),
            (&[("__ci__", "droneci")], None),
            (&[("__ci__", "jenkinsci"), ("pipeline_branch", "main")], None),
            (&[("__ci__", "gitlabci"), ("pipeline_branch", "pytest")], None),
            (&[("pipeline_branch", "main")], None),
            (&[], None),
        ] {
            assert_eq!(branch(&rules, tags).as_deref(), expected, "{tags:?}");
        }
    }

    #[test]
    fn other_tags_replace_the_whole_table() {
        let rules = BranchRules::of_tags(vec!["ref".to_owned(), "head".to_owned()]);
        assert_eq!(branch(&rules, &[("branch", "a"), ("head", "b")]).as_deref(), Some("b"));
        assert_eq!(branch(&rules, &[("branch", "a"), ("__ci__", "droneci"), ("pipeline_branch", "c")]), None);
    }
}
