"""What schemathesis can't know of this server by itself."""
import schemathesis
from hypothesis import strategies as st
from hypothesis_graphql import nodes
from schemathesis.specs.graphql import validation

schemathesis.graphql.scalar("LocalDateTime", st.datetimes().map(lambda moment: nodes.String(moment.isoformat())))
schemathesis.graphql.scalar("Tags", st.just(nodes.Object([])))

# A page that is not there is the client's mistake, as it is over REST; the codes known there are those of other servers.
validation.CLIENT_ERROR_MARKERS |= {"NOT_FOUND"}
