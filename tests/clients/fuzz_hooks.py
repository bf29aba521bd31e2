"""What schemathesis has to be configured for with this server."""
import schemathesis
from hypothesis import strategies as st
from hypothesis_graphql import nodes
from schemathesis.specs.graphql import validation

schemathesis.graphql.scalar("LocalDateTime", st.datetimes().map(lambda moment: nodes.String(moment.isoformat())))
schemathesis.graphql.scalar("Tags", st.just(nodes.Object([])))

# A missing page and an exceeded limit are client errors; schemathesis has only the codes of other servers.
validation.CLIENT_ERROR_MARKERS |= {"NOT_FOUND", "LIMIT_EXCEEDED"}
