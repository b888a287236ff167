import io.debezium.relational.*;
import io.debezium.relational.ddl.*;
import io.debezium.relational.history.*;
import io.debezium.document.*;
import java.nio.file.*;
import java.util.*;
public class Record {
  public static void main(String[] a) throws Exception {
    boolean maria = a[0].equals("mariadb");
    String all = Files.readString(java.nio.file.Path.of(a[1]));
    Array out = Array.create();
    for (String c : all.split("\n----\n")) {
      Tables tables = new Tables();
      DdlParser p;
      if (maria) {
        Object reg = Class.forName("io.debezium.connector.mariadb.charset.MariaDbCharsetRegistry").getDeclaredConstructor().newInstance();
        p = (DdlParser) Class.forName("io.debezium.connector.mariadb.antlr.MariaDbAntlrDdlParser").getConstructors()[pick("io.debezium.connector.mariadb.antlr.MariaDbAntlrDdlParser")].newInstance(true,false,true,Tables.TableFilter.includeAll(),reg);
      } else {
        Object reg = Class.forName("io.debezium.connector.mysql.charset.MySqlCharsetRegistry").getDeclaredConstructor().newInstance();
        p = (DdlParser) Class.forName("io.debezium.connector.mysql.antlr.MySqlAntlrDdlParser").getConstructors()[pick("io.debezium.connector.mysql.antlr.MySqlAntlrDdlParser")].newInstance(true,false,true,Tables.TableFilter.includeAll(),reg);
      }
      p.systemVariables().setVariable(null, "character_set_server", "utf8mb4");
      Document d = Document.create();
      d.setString("sql", c);
      try {
        p.setCurrentDatabase("d"); p.setCurrentSchema("d");
        p.parse(c, tables);
        Array ev = Array.create();
        p.getDdlChanges().getEventsByDatabase((db, es) -> es.forEach(e -> ev.add(e.type() + "|" + e.statement())));
        d.setArray("events", ev);
        Array ts = Array.create();
        List<TableId> ids = new ArrayList<>(tables.tableIds()); ids.sort(Comparator.comparing(TableId::toString));
        for (TableId id : ids) ts.add(new JsonTableChangeSerializer().toDocument(new TableChanges.TableChange(TableChanges.TableChangeType.CREATE, tables.forTable(id))));
        d.setArray("tables", ts);
      } catch (Throwable t) { d.setString("error", t.getClass().getSimpleName()+": "+String.valueOf(t.getMessage()).split("\n")[0]); }
      out.add(d);
    }
    for (Array.Entry e : out) System.out.println(DocumentWriter.defaultWriter().write(e.getValue().asDocument()));
  }
  static int pick(String n) throws Exception { var cs = Class.forName(n).getConstructors(); for (int i=0;i<cs.length;i++) if (cs[i].getParameterCount()==5) return i; return 0; }
}
