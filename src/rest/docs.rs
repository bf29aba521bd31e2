//! OpenAPI descriptions of a REST API, and Swagger UI.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::Path,
    http::{Uri, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use utoipa_swagger_ui::Config;

use crate::{
    access::Caller,
    error::{Code, Error},
};

/// Path of the description, relative to the page.
const DESCRIPTION: &str = "../swagger.json";

/// Adds the descriptions under their names, and Swagger UI at `docs`. Unless `is_public`, the descriptions need the scope READ.
pub(super) fn add(
    mut router: Router,
    prefix: &str,
    descriptions: [(&str, serde_json::Value); 2],
    is_public: bool,
) -> Router {
    let config = Arc::new(Config::new([DESCRIPTION]).use_base_layout().validator_url("none"));
    let page = {
        let config = Arc::clone(&config);
        get(async move |uri: Uri| -> Result<Response, Error> {
            let folder = if uri.path().ends_with('/') { "./" } else { "docs/" };
            let head = format!("<head><base href=\"{folder}\">");
            Ok(Html(text(&config, "index.html")?.replacen("<head>", &head, 1)).into_response())
        })
    };
    let asset = get(async move |Path(name): Path<String>| asset(config, &name));
    for (name, description) in descriptions {
        let description = Arc::new(description);
        let describe = async move |Extension(caller): Extension<Caller>| {
            if !is_public {
                caller.may_read()?;
            }
            Ok::<_, Error>(Json(description.as_ref().clone()))
        };
        router = router.route(&format!("{prefix}/{name}"), get(describe));
    }
    router
        .route(&format!("{prefix}/docs"), page.clone())
        .route(&format!("{prefix}/docs/"), page)
        .route(&format!("{prefix}/docs/{{*name}}"), asset)
}

fn missing() -> Error {
    Error::new(Code::NotFound, "there is no such file")
}

fn text(config: &Arc<Config<'static>>, name: &str) -> Result<String, Error> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(config)).ok().flatten().ok_or_else(missing)?;
    Ok(String::from_utf8_lossy(&file.bytes).into_owned())
}

fn asset(config: Arc<Config<'static>>, name: &str) -> Result<Response, Error> {
    if name == "swagger-initializer.js" {
        // Relative to `<base>`: Swagger UI resolves it against the page address, which may lack the trailing slash.
        let absolute = format!("new URL({DESCRIPTION:?}, document.baseURI).href");
        let script = text(&config, name)?.replacen(&format!("{DESCRIPTION:?}"), &absolute, 1);
        return Ok(([(header::CONTENT_TYPE, "text/javascript")], script).into_response());
    }
    let file = utoipa_swagger_ui::serve(name, config).ok().flatten().ok_or_else(missing)?;
    Ok(([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response())
}
