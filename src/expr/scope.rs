//! What is fixed when an expression is compiled: the stage's variables, the route's greedy name.

use super::CompileError;

/// Finds a stage variable.
pub type StageVariables<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

/// The surroundings that an expression is compiled in.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The variables of the stage, which cannot change while its plan lives.
    pub stage_variables: &'a StageVariables<'a>,
    /// The name of the route's greedy parameter, without `+`: its value keeps its slashes when it
    /// is put into a path.
    pub greedy: Option<&'a str>,
}

impl Scope<'_> {
    /// `text` with each `${stageVariables.name}` replaced by its value: for integration URIs,
    /// ARNs of functions and services, and roles.
    ///
    /// # Errors
    ///
    /// A variable that the stage does not have, or a brace that is not closed.
    pub fn resolve(&self, text: &str) -> Result<String, CompileError> {
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((plain, tail)) = rest.split_once(OPEN) {
            let (name, after) = tail
                .split_once('}')
                .ok_or_else(|| CompileError::new(text, format!("`{OPEN}` has no closing brace")))?;
            resolved.push_str(plain);
            resolved.push_str(self.find_stage_variable(text, name)?);
            rest = after;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    fn find_stage_variable(&self, text: &str, name: &str) -> Result<&str, CompileError> {
        (self.stage_variables)(name).ok_or_else(|| {
            CompileError::new(text, format!("the stage has no variable named `{name}`"))
        })
    }
}

const OPEN: &str = "${stageVariables.";

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, String> {
        let scope = Scope {
            stage_variables: &|name| match name {
                "host" => Some("beta.example.com"),
                "version" => Some("v2"),
                "empty" => Some(""),
                _ => None,
            },
            greedy: None,
        };
        scope.resolve(text).map_err(|error| error.reason)
    }

    /// AWS: the forms of "Amazon API Gateway stage variables reference".
    #[test]
    fn variables_are_resolved_wherever_they_stand() {
        for (text, wanted) in [
            ("http://${stageVariables.host}", "http://beta.example.com"),
            ("http://${stageVariables.host}/a/b", "http://beta.example.com/a/b"),
            ("http://${stageVariables.version}.example.com/a", "http://v2.example.com/a"),
            ("http://example.com/${stageVariables.version}/b", "http://example.com/v2/b"),
            ("http://example.com/f?q=${stageVariables.version}", "http://example.com/f?q=v2"),
            ("arn:function:${stageVariables.version}/i", "arn:function:v2/i"),
            ("${stageVariables.version}${stageVariables.version}", "v2v2"),
            ("a${stageVariables.empty}b", "ab"),
            ("$stageVariables.version {x} ${other}", "$stageVariables.version {x} ${other}"),
        ] {
            assert_eq!(resolve(text).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn what_the_stage_does_not_have_is_said() {
        let missing = "the stage has no variable named `nothing`";
        assert_eq!(resolve("a${stageVariables.nothing}"), Err(missing.into()));
        let open = "`${stageVariables.` has no closing brace";
        assert_eq!(resolve("a${stageVariables.host"), Err(open.into()));
    }
}
