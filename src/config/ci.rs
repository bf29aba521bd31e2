//! What CI systems say of a build, by their variables. Names of pipelines and builds are those that the plugin gives.

/// What the CI system says of the build that this runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiBuild {
    /// Names and values: `project`, `branch`, `pipeline_branch`, `pipeline_build_no` and `__ci__`.
    pub tags: Vec<(String, String)>,
    /// The revision under test.
    pub revision: Option<String>,
}

/// The variables of a CI system. The first of a list that is set counts.
struct System {
    /// What the tag `__ci__` calls it.
    name: &'static str,
    /// Set wherever it runs something.
    mark: &'static str,
    project: &'static [&'static str],
    branch: &'static [&'static str],
    pipeline: &'static [&'static str],
    build: &'static [&'static str],
    revision: &'static [&'static str],
}

const SYSTEMS: [System; 8] = [
    System {
        name: "githubactions",
        mark: "GITHUB_ACTIONS",
        project: &["GITHUB_REPOSITORY"],
        branch: &["GITHUB_HEAD_REF", "GITHUB_REF_NAME"],
        pipeline: &["GITHUB_WORKFLOW"],
        build: &["GITHUB_RUN_NUMBER"],
        revision: &["GITHUB_SHA"],
    },
    System {
        name: "gitlabci",
        mark: "GITLAB_CI",
        project: &["CI_PROJECT_PATH"],
        branch: &["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"],
        pipeline: &["CI_JOB_NAME"],
        build: &["CI_PIPELINE_ID"],
        revision: &["CI_COMMIT_SHA"],
    },
    System {
        name: "circleci",
        mark: "CIRCLECI",
        project: &["CIRCLE_PROJECT_REPONAME"],
        branch: &["CIRCLE_BRANCH"],
        pipeline: &["CIRCLE_JOB"],
        build: &["CIRCLE_BUILD_NUM"],
        revision: &["CIRCLE_SHA1"],
    },
    System {
        name: "travisci",
        mark: "TRAVIS",
        project: &["TRAVIS_REPO_SLUG"],
        branch: &["TRAVIS_PULL_REQUEST_BRANCH", "TRAVIS_BRANCH"],
        pipeline: &["TRAVIS_BUILD_ID"],
        build: &["TRAVIS_BUILD_NUMBER"],
        revision: &["TRAVIS_COMMIT"],
    },
    System {
        name: "droneci",
        mark: "DRONE",
        project: &["DRONE_REPO"],
        branch: &["DRONE_SOURCE_BRANCH", "DRONE_BRANCH"],
        pipeline: &["DRONE_REPO_BRANCH"],
        build: &["DRONE_BUILD_NUMBER"],
        revision: &["DRONE_COMMIT_SHA"],
    },
    System {
        name: "bitbucketpipelines",
        mark: "BITBUCKET_BUILD_NUMBER",
        project: &["BITBUCKET_REPO_FULL_NAME"],
        branch: &["BITBUCKET_BRANCH"],
        pipeline: &["BITBUCKET_REPO_SLUG"],
        build: &["BITBUCKET_BUILD_NUMBER"],
        revision: &["BITBUCKET_COMMIT"],
    },
    System {
        name: "azurepipelines",
        mark: "TF_BUILD",
        project: &["BUILD_REPOSITORY_NAME"],
        branch: &["SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"],
        pipeline: &["BUILD_DEFINITIONNAME"],
        build: &["BUILD_BUILDNUMBER"],
        revision: &["BUILD_SOURCEVERSION"],
    },
    // Last: it is often what starts the others.
    System {
        name: "jenkinsci",
        mark: "JENKINS_URL",
        project: &["GIT_URL"],
        branch: &["CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"],
        pipeline: &["BRANCH_NAME", "JOB_NAME"],
        build: &["BUILD_NUMBER"],
        revision: &["GIT_COMMIT"],
    },
];

impl CiBuild {
    /// Returns what the environment says.
    pub(super) fn of_environment() -> Self {
        // A variable that is not UTF-8 is none.
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let first = |names: &[&str]| names.iter().find_map(|name| set(name));
        let Some(system) = SYSTEMS.iter().find(|system| set(system.mark).is_some()) else { return Self::default() };
        let (pipeline, build) = (first(system.pipeline), first(system.build));
        let is_complete = pipeline.is_some() && build.is_some();
        let tags = [
            ("project", first(system.project).map(|text| repository(&text).to_owned())),
            ("branch", first(system.branch).map(|text| branch(&text).to_owned())),
            ("pipeline_branch", pipeline.filter(|_| is_complete)),
            ("pipeline_build_no", build.filter(|_| is_complete)),
            ("__ci__", Some(system.name.to_owned())),
        ];
        let tags = tags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Self { tags, revision: first(system.revision) }
    }
}

/// Returns `owner/name` of the address of a repository. Anything else stays.
fn repository(text: &str) -> &str {
    let is_address = text.contains("://") || text.contains('@');
    if !is_address {
        return text;
    }
    let text = text.trim_end_matches('/');
    let text = text.strip_suffix(".git").unwrap_or(text);
    let place = text.split_once("://").map_or(text, |(_, rest)| rest);
    match place.split_once('/') {
        // `git@host:owner/name`
        Some((host, _)) if host.contains(':') && !text.contains("://") => {
            place.split_once(':').map_or(place, |(_, path)| path)
        }
        Some((_, path)) => path,
        None => place,
    }
}

fn branch(text: &str) -> &str {
    let text = text.strip_prefix("refs/heads/").unwrap_or(text);
    text.strip_prefix("origin/").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::CiBuild;

    fn of(variables: &[(&str, &str)]) -> CiBuild {
        CiBuild::of(|name| variables.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned()))
    }

    fn expected(values: [&str; 5], revision: &str) -> CiBuild {
        let names = ["project", "branch", "pipeline_branch", "pipeline_build_no", "__ci__"];
        let tags = names.into_iter().zip(values).map(|(name, value)| (name.to_owned(), value.to_owned()));
        CiBuild { tags: tags.collect(), revision: Some(revision.to_owned()) }
    }

    #[test]
    fn each_system_names_project_branch_pipeline_build_and_revision() {
        let github = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "team/product"),
            ("GITHUB_HEAD_REF", ""),
            ("GITHUB_REF_NAME", "feature/x"),
            ("GITHUB_WORKFLOW", "tests"),
            ("GITHUB_RUN_NUMBER", "7"),
            ("GITHUB_SHA", "abc"),
        ];
        assert_eq!(of(&github), expected(["team/product", "feature/x", "tests", "7", "githubactions"], "abc"));
        let gitlab = [
            ("GITLAB_CI", "true"),
            ("CI_PROJECT_PATH", "team/product"),
            ("CI_COMMIT_REF_NAME", "main"),
            ("CI_JOB_NAME", "unit"),
            ("CI_PIPELINE_ID", "1234"),
            ("CI_COMMIT_SHA", "abc"),
        ];
        assert_eq!(of(&gitlab), expected(["team/product", "main", "unit", "1234", "gitlabci"], "abc"));
        let circle = [
            ("CIRCLECI", "true"),
            ("CIRCLE_PROJECT_REPONAME", "product"),
            ("CIRCLE_BRANCH", "main"),
            ("CIRCLE_JOB", "unit"),
            ("CIRCLE_BUILD_NUM", "12"),
            ("CIRCLE_SHA1", "abc"),
        ];
        assert_eq!(of(&circle), expected(["product", "main", "unit", "12", "circleci"], "abc"));
        let travis = [
            ("TRAVIS", "true"),
            ("TRAVIS_REPO_SLUG", "team/product"),
            ("TRAVIS_BRANCH", "main"),
            ("TRAVIS_BUILD_ID", "99"),
            ("TRAVIS_BUILD_NUMBER", "12"),
            ("TRAVIS_COMMIT", "abc"),
        ];
        assert_eq!(of(&travis), expected(["team/product", "main", "99", "12", "travisci"], "abc"));
        let drone = [
            ("DRONE", "true"),
            ("DRONE_REPO", "team/product"),
            ("DRONE_BRANCH", "main"),
            ("DRONE_REPO_BRANCH", "main"),
            ("DRONE_BUILD_NUMBER", "12"),
            ("DRONE_COMMIT_SHA", "abc"),
        ];
        assert_eq!(of(&drone), expected(["team/product", "main", "main", "12", "droneci"], "abc"));
        let bitbucket = [
            ("BITBUCKET_BUILD_NUMBER", "12"),
            ("BITBUCKET_REPO_FULL_NAME", "team/product"),
            ("BITBUCKET_REPO_SLUG", "product"),
            ("BITBUCKET_BRANCH", "main"),
            ("BITBUCKET_COMMIT", "abc"),
        ];
        assert_eq!(of(&bitbucket), expected(["team/product", "main", "product", "12", "bitbucketpipelines"], "abc"));
        let azure = [
            ("TF_BUILD", "True"),
            ("BUILD_REPOSITORY_NAME", "team/product"),
            ("BUILD_SOURCEBRANCH", "refs/heads/feature/x"),
            ("BUILD_DEFINITIONNAME", "tests"),
            ("BUILD_BUILDNUMBER", "20261201.1"),
            ("BUILD_SOURCEVERSION", "abc"),
        ];
        assert_eq!(of(&azure), expected(["team/product", "feature/x", "tests", "20261201.1", "azurepipelines"], "abc"));
        for url in [
            "https://example.org/team/product.git",
            "git@example.org:team/product.git",
            "ssh://git@example.org:22/team/product",
        ] {
            let jenkins = [
                ("JENKINS_URL", "https://ci.example.org/"),
                ("GIT_URL", url),
                ("GIT_BRANCH", "origin/main"),
                ("JOB_NAME", "product-tests"),
                ("BUILD_NUMBER", "12"),
                ("GIT_COMMIT", "abc"),
            ];
            assert_eq!(
                of(&jenkins),
                expected(["team/product", "main", "product-tests", "12", "jenkinsci"], "abc"),
                "{url}"
            );
        }
    }

    #[test]
    fn elsewhere_nothing_is_added() {
        assert_eq!(of(&[("CI", "true"), ("GITHUB_SHA", "abc")]), CiBuild::default());
    }
}
