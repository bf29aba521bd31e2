//! The interactive page of a façade and its descriptions.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::Path,
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use utoipa_swagger_ui::Config;

use crate::{
    access::Caller,
    error::{Code, Error},
};

/// Serves descriptions by their names, to everybody or to those who may read, and Swagger UI of `swagger.json` at `docs`.
pub(super) fn add(
    mut router: Router,
    prefix: &str,
    descriptions: [(&str, serde_json::Value); 2],
    is_public: bool,
) -> Router {
    let config = Arc::new(Config::new([format!("{prefix}/swagger.json")]).use_base_layout().validator_url("none"));
    let base = format!("<head><base href=\"{prefix}/docs/\">");
    let page = {
        let config = Arc::clone(&config);
        get(async move || -> Result<Response, Error> {
            let Html(page) = Html(text(&config, "index.html")?);
            Ok(Html(page.replacen("<head>", &base, 1)).into_response())
        })
    };
    let asset = get(async move |Path(name): Path<String>| asset(config, &name));
    for (name, description) in descriptions {
        let description = Arc::new(description);
        let described = async move |Extension(caller): Extension<Caller>| {
            if !is_public {
                caller.may_read()?;
            }
            Ok::<_, Error>(Json(description.as_ref().clone()))
        };
        router = router.route(&format!("{prefix}/{name}"), get(described));
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
    let file = utoipa_swagger_ui::serve(name, config).ok().flatten().ok_or_else(missing)?;
    Ok(([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response())
}
