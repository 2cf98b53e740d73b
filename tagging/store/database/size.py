"""Size of a database on disk."""

from sqlalchemy import text

from tagging.store.database.database import Database


class Size:
    """Raises the errors of Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> int:
        """Return the size in bytes, including free pages; it is read from statistics, so this is cheap."""
        if self._database.file is not None:
            log = self._database.file.with_name(f"{self._database.file.name}-wal")
            return sum(path.stat().st_size for path in (self._database.file, log) if path.exists())
        statement = text("SELECT pg_database_size(current_database())")
        return await self._database.read(lambda connection: int(connection.execute(statement).scalar_one()))
